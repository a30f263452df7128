"""Why a model said what it said: attention, CAM and Grad-CAM as maps over the image."""
