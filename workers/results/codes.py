"""Every code of the report: DICOM, SNOMED CT and UCUM where they have a word, else 99HEPANODE.

``PRIVATE`` is the one table of the private scheme; its codes are never given a new meaning.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from node.identity import MANUFACTURER
from workers.findings import Reason
from workers.results.identity import CODING_SCHEME_UID
from workers.results.values import plain

SCHEME = "99HEPANODE"

PRIVATE: dict[str, str] = {
    # statuses
    "1001": "Review status",
    "1002": "AI result, not reviewed by a physician",
    "1003": "Intended use",
    "1004": "Investigational software, not for diagnosis on its own",
    "1005": "Validation status of the model",
    "1006": "Validation figures of the model",
    "1007": "Processing run",
    "1008": "Change made to the source header",
    # lesions
    "1101": "Search for liver lesions",
    "1102": "Result of the lesion search",
    "1103": "No lesion at or above the decision threshold",
    "1104": "At least one suspected lesion",
    "1105": "Meaning of the outline",
    "1106": "Region the model attended to, not the border of the lesion",
    "1107": "Border of the lesion as segmented by the model",
    "1108": "Length unit",
    "1109": "Pixels: the image has no usable calibration",
    "1110": "Number of frames examined",
    "1111": "Condition of the probability",
    "1112": "Who gave the place",
    "1113": "An operator drew a box; no model judges if it is a lesion",
    "1114": "An operator clicked in it; no model judges if it is a lesion",
    "1115": "What the operator gave, in pixels of the source frame",
    "1116": "Segmentation of this region",
    "1117": "An operator pointed at both; no model judges what they show",
    "1118": "Model that gives this probability",
    "1131": "A model's map of masses gave the box; no operator pointed",
    "1132": "Box that the model gave, in pixels of the source frame",
    "1133": "Model that drew the outline",
    "1134": "Frames in which the lesion was outlined",
    "1135": "Answer for the study",
    "1136": "Number of frames with a suspected lesion",
    "1137": "Number of images examined",
    "1138": "Number of images with a suspected lesion",
    # probabilities of lesion types
    "1200": "Probability of a class of the model",
    "1201": "Probability of benign lesion",
    "1202": "Probability of cyst",
    "1203": "Probability of hemangioma",
    "1204": "Probability of hepatocellular carcinoma",
    "1205": "Probability of metastasis",
    "1206": "Probability of focal nodular hyperplasia",
    "1207": "Probability of focal fatty sparing",
    "1208": "Probability of abscess",
    "1209": "Name of the class",
    # diffuse liver disease
    "1301": "Diffuse liver disease: fat",
    "1302": "Probability of liver fat fraction of 5 % or more",
    "1303": "Probability of liver fat fraction of 10 % or more",
    "1304": "Frames of unknown view",
    "1305": "Frames of unknown view that did not count",
    "1306": "Frames whose view a model named",
    "1310": "Pair of a liver and a kidney region",
    "1311": "Hepatorenal index",
    "1312": "Share of liver cells with fat, on the scale of biopsies",
    "1313": "Probability of fat in 5 % of liver cells or more",
    "1314": "Probability of fat in 10 % of liver cells or more",
    "1315": "Number of pairs measured",
    "1316": "Mean echo level, 0 to 255",
    "1317": "Difference in depth, kidney below liver",
    "1318": "Meaning of the interval",
    # what was not answered or not analysed
    "1401": "Lesion search not answered",
    "1402": "Liver fat not answered",
    "1403": "Lesion size not answered",
    "1404": "Study not answered",
    "1405": "Question not answered",
    "1406": "Not analysed",
    "1407": "Number of instances not analysed",
    "1408": "Number of frames not analysed",
    "1409": "Detail",
    "1410": "Prompted lesion not answered",
    "1411": "Malignancy of a prompted lesion not answered",
    "1412": "Whether the images show a liver not answered",
    "1413": "Liver view not answered",
    "1416": "Malignancy of a found lesion not answered",
    "1417": "Type of a lesion not answered",
    "1420": "Hepatorenal index not answered",
    "1421": "Fat from the hepatorenal index not answered",
    # why
    "1501": "Not an ultrasound image",
    "1502": "An object without an image, kept as received",
    "1503": "A result of this node that came back",
    "1504": "The image holds no pixel data",
    "1505": "The header cannot be read or contradicts itself",
    "1506": "The pixel data cannot be decoded",
    "1507": "No decoder for this transfer syntax",
    "1508": "Decoded, the frame would exceed the configured limit",
    "1509": "Other frames of the same loop stand for it",
    "1510": "Colour or spectral Doppler",
    "1511": "M-mode",
    "1512": "No grey B-mode region was found",
    "1513": "The image is too dark to judge",
    "1514": "The B-mode region is too small to judge",
    "1515": "No frame of the study could be analysed",
    "1516": "The model is not available on this node",
    "1517": "No model on this node outlines the lesion",
    "1518": "Unlike the images that the model was trained on",
    "1519": "The model's answer was no number",
    "1520": "The prompt lies outside of the B-mode region",
    "1521": "The model outlines nothing there",
    "1522": "Validated with boxes only, and clicks were given",
    "1523": "Does not look like a liver",
    "1531": "The liver and the kidney region overlap",
    "1532": "The liver and the kidney region lie at too different depths",
    "1533": "A region is black in part: no tissue, a vessel or a shadow",
    "1534": "A region is saturated",
    "1535": "The index lies beyond those that the model was fitted on",
    "1541": "No part of the map of masses reaches its threshold",
    "1542": "The model was never taught it, for want of labels",
    "1599": "Another reason",
}

GROUPS = {
    "10": "Standing of a result",
    "11": "Lesions",
    "12": "Probabilities of lesion types",
    "13": "Diffuse liver disease",
    "14": "What was not answered or not analysed",
    "15": "Why",
}
"""By the first two digits of a private code, what it belongs to."""


def private(value: str) -> Code:
    """The code ``value`` of 99HEPANODE; KeyError when the table does not hold it."""
    return Code(value, SCHEME, PRIVATE[value])


REVIEW_STATUS = private("1001")
NOT_REVIEWED = private("1002")
INTENDED_USE = private("1003")
INVESTIGATIONAL = private("1004")
VALIDATION_STATUS = private("1005")
VALIDATION_FIGURES = private("1006")
PROCESSING_RUN = private("1007")
HEADER_CHANGE = private("1008")
LESION_SEARCH = private("1101")
SEARCH_RESULT = private("1102")
NO_LESION = private("1103")
SUSPECTED_LESION = private("1104")
OUTLINE_MEANING = private("1105")
OUTLINE_ATTENTION = private("1106")
OUTLINE_BORDER = private("1107")
LENGTH_UNIT = private("1108")
UNCALIBRATED = private("1109")
FRAMES_EXAMINED = private("1110")
CONDITION = private("1111")
PLACE_BY = private("1112")
PLACE_BY_BOX = private("1113")
PLACE_BY_CLICKS = private("1114")
PLACE = private("1115")
REGION_SEGMENTATION = private("1116")
MODEL_NAME = private("1118")
PLACE_BY_PAIR = private("1117")
PLACE_BY_MODEL = private("1131")
PLACE_OF_MODEL = private("1132")
OUTLINED_BY = private("1133")
SEEN_IN = private("1134")
STUDY_ANSWER = private("1135")
FRAMES_SUSPECTING = private("1136")
IMAGES_EXAMINED = private("1137")
IMAGES_SUSPECTING = private("1138")
CLASS_PROBABILITY = private("1200")
CLASS_NAME = private("1209")
DIFFUSE_FAT = private("1301")
FAT_FROM_5 = private("1302")
FAT_FROM_10 = private("1303")
FRAMES_OF_UNKNOWN_VIEW = private("1304")
FRAMES_NOT_COUNTED = private("1305")
FRAMES_OF_NAMED_VIEW = private("1306")
REGION_PAIR = private("1310")
HEPATORENAL_INDEX = private("1311")
LIVER_CELLS_WITH_FAT = private("1312")
CELLS_FROM_5 = private("1313")
CELLS_FROM_10 = private("1314")
PAIRS_MEASURED = private("1315")
ECHO_LEVEL = private("1316")
DEPTH_GAP = private("1317")
INTERVAL = private("1318")
NOT_ANSWERED = private("1405")
NOT_ANALYSED = private("1406")
INSTANCES_NOT_ANALYSED = private("1407")
FRAMES_NOT_ANALYSED = private("1408")
DETAIL = private("1409")

REPORT_TITLE = standard.DCM.ImagingMeasurementReport
LIVER_ULTRASOUND = standard.LN.USLiverReport
LIVER = standard.SCT.Liver
RENAL_CORTEX = Code("50403003", "SCT", "Cortex of kidney")  # pydicom has no part of the kidney
LESION = standard.SCT.Lesion
ANATOMICAL_STRUCTURE = standard.SCT.AnatomicalStructure
ABNORMAL_STRUCTURE = standard.SCT.MorphologicallyAbnormalStructure
ARTIFICIAL_INTELLIGENCE = standard.DCM.ArtificialIntelligence
ULTRASOUND = standard.DCM.Ultrasound
MAXIMUM = standard.SCT.Maximum
MEAN = standard.SCT.Mean
MEDIAN = standard.SCT.Median
UPPER_UNCERTAINTY = standard.SCT.RangeOfUpperMeasurementUncertainty
LOWER_UNCERTAINTY = standard.SCT.RangeOfLowerMeasurementUncertainty
THRESHOLD = standard.DCM.ThresholdValue
LONG_AXIS = standard.SCT.LongAxis
SHORT_AXIS = standard.SCT.ShortAxis
AREA = standard.SCT.Area
FAT_FRACTION = standard.DCM.FatFraction
IMAGE_VIEW = standard.DCM.ImageView
COMMENT = standard.DCM.Comment
PROCESSING_EQUIPMENT = standard.DCM.ProcessingEquipment
PROCESSED_IMAGE = standard.DCM.SourceImageForImageProcessingOperation
CLASS_ACTIVATION = standard.DCM.ClassActivation
SEGMENTATION = standard.DCM.SegmentationImageDerivation  # Segmentation is the modality
OF_INTEREST = standard.DCM.OfInterest
REJECTED = standard.DCM.RejectedForQualityReasons
KEY_OBJECT_DESCRIPTION = standard.DCM.KeyObjectDescription
IMAGE_LIBRARY = standard.DCM.ImageLibrary
IMAGE_LIBRARY_GROUP = standard.DCM.ImageLibraryGroup
IMAGING_MEASUREMENTS = standard.DCM.ImagingMeasurements
PROCEDURE_REPORTED = standard.DCM.ProcedureReported
MODALITY = standard.DCM.Modality
PIXEL_ROWS = standard.DCM.PixelDataRows
PIXEL_COLUMNS = standard.DCM.PixelDataColumns
SOURCE = standard.SCT.Source._replace(meaning="Source")  # as PS3.16 words it
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500 row 12

PERCENT = standard.UCUM.Percent
NO_UNITS = standard.UCUM.NoUnits
MILLIMETER = standard.UCUM.Millimeter
SQUARE_MILLIMETER = standard.UCUM.SquareMillimeter
PIXELS = Code("{pixels}", "UCUM", "pixels")
FRAMES = Code("{frames}", "UCUM", "frames")
INSTANCES = Code("{instances}", "UCUM", "instances")
IMAGES = Code("{images}", "UCUM", "images")
PAIRS = Code("{pairs}", "UCUM", "pairs")

PROBABILITY: dict[str, Code] = {
    "lesion": standard.DCM.CertaintyOfFinding,
    "malignant": standard.DCM.ProbabilityOfCancer,
    "benign": private("1201"),
    "cyst": private("1202"),
    "hemangioma": private("1203"),
    "haemangioma": private("1203"),
    "hcc": private("1204"),
    "hepatocellular carcinoma": private("1204"),
    "metastasis": private("1205"),
    "fnh": private("1206"),
    "focal nodular hyperplasia": private("1206"),
    "focal fatty sparing": private("1207"),
    "abscess": private("1208"),
}
"""By a model's label; a label that is not here is CLASS_PROBABILITY with its CLASS_NAME."""

SUBJECT: dict[str, Code] = {
    "lesion": private("1401"),
    "fat": private("1402"),
    "lesion size": private("1403"),
    "study": private("1404"),
    "prompted lesion": private("1410"),
    "malignancy": private("1411"),
    "found malignancy": private("1416"),
    "liver check": private("1412"),
    "liver view": private("1413"),
    "lesion type": private("1417"),
    "hepatorenal index": private("1420"),
    "fat from the hepatorenal index": private("1421"),
}
"""By an abstention's subject; any other is NOT_ANSWERED with the subject as its DETAIL."""

REASON: dict[Reason, Code] = {
    Reason.NOT_ULTRASOUND: private("1501"),
    Reason.NOT_AN_IMAGE: private("1502"),
    Reason.OWN_RESULT: private("1503"),
    Reason.NO_PIXELS: private("1504"),
    Reason.UNREADABLE: private("1505"),
    Reason.UNDECODABLE: private("1506"),
    Reason.UNSUPPORTED_CODEC: private("1507"),
    Reason.TOO_LARGE: private("1508"),
    Reason.NOT_SAMPLED: private("1509"),
    Reason.DOPPLER: private("1510"),
    Reason.M_MODE: private("1511"),
    Reason.NOT_B_MODE: private("1512"),
    Reason.TOO_DARK: private("1513"),
    Reason.TOO_SMALL: private("1514"),
    Reason.NO_FRAMES: private("1515"),
    Reason.MODEL_UNAVAILABLE: private("1516"),
    Reason.NOT_MEASURED: private("1517"),
    Reason.UNFAMILIAR: private("1518"),
    Reason.NO_NUMBER: private("1519"),
    Reason.OUTSIDE_REGION: private("1520"),
    Reason.NOTHING_OUTLINED: private("1521"),
    Reason.BOX_NEEDED: private("1522"),
    Reason.NOT_LIVER: private("1523"),
    Reason.REGIONS_OVERLAP: private("1531"),
    Reason.REGIONS_APART: private("1532"),
    Reason.REGION_DARK: private("1533"),
    Reason.REGION_SATURATED: private("1534"),
    Reason.BEYOND_FITTED: private("1535"),
    Reason.NOT_OUTLINED: private("1541"),
    Reason.NOT_LEARNED: private("1542"),
}
OTHER_REASON = private("1599")


def coded(code: Code) -> Dataset:
    """An item of a code sequence (PS3.3 Table 8.8-1) outside the content tree."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def coding_scheme() -> Dataset:
    """The item of Coding Scheme Identification Sequence (PS3.3 C.12.1) that explains SCHEME."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeUID = CODING_SCHEME_UID
    item.CodingSchemeName = "hepanode liver ultrasound AI results"
    item.CodingSchemeResponsibleOrganization = plain(MANUFACTURER, 64)
    return item
