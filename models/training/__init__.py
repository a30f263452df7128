"""Training commands; each writes a bundle with its card.

``python -m models.training.lesion --data DIR --out DIR``
``python -m models.training.fat --out DIR``
"""
