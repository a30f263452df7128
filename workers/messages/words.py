"""Words of the ``models`` package that results show: it knows no messages, so they are marked here.

A bundle of a hospital's own may have others; they are shown as its card has them.
"""

from workers.messages import marked

LABELS = (
    *(marked("lesion"), marked("malignant"), marked("benign"), marked("none"), marked("normal")),
    *(marked("steatosis"), marked("fibrosis"), marked("haemangioma"), marked("cyst")),
    *(marked("hepatocellular carcinoma"), marked("focal nodular hyperplasia")),
    *(marked("metastasis"), marked("focal fatty sparing"), marked("Lesion"), marked("Malignant")),
)
"""What a model has a probability of; with a capital where a line begins."""

FIGURES = (marked("fat_percent"), marked("p_5"), marked("p_10"), marked("multiview"))
"""What else the figures of a card are of."""

VIEWS = (
    marked("hepatic veins"),
    marked("right portal vein"),
    marked("right posterior portal vein"),
    marked("liver/kidney"),
)

FACTORS = (
    *(marked("age"), marked("sex"), marked("hepatitis"), marked("extrahepatic_tumour")),
    *(marked("halo"), marked("vascularity")),
)
"""Clinical factors by name."""

NOMOGRAM = (
    *(marked("image score (model LB)"), marked("malignancy"), marked("age (years)")),
    *(marked("history of hepatitis"), marked("extrahepatic tumour"), marked("hypoechoic halo")),
    *(marked("intratumoural vascularity"), marked("female"), marked("male")),
    *(marked("no"), marked("yes")),
)
"""Its rulers, and the answers along them."""

STATUSES = (
    marked("validated on patients"),
    marked("cross-validated on public data"),
    marked("cross-validated on local data"),
    marked("simulated data only"),
    marked("not validated"),
)
"""How a model was validated."""
