"""Twenty photographs with their ImageNet class: the smallest real check of a classifier. Fetched, never packaged.

They are 512 px pictures inside the package foolbox 3.3.4 (MIT; the licences of the photographs are not stated there).
Twenty photographs check a conversion; they are no ImageNet score.
"""

from dataclasses import dataclass

from ..files import PinnedFile
from ..sources import IndexPackage


@dataclass(frozen=True)
class LabelledPhotograph:
    """One photograph.

    Attributes:
        file: where it comes from.
        imagenet_index: its class, 0 to 999 in the usual order (0 = tench).
    """

    file: PinnedFile
    imagenet_index: int


# name, bytes, sha256, ImageNet index
_ROWS = (
    ("imagenet_00_243.jpg", 86225, "28b7b933c8028c6e20bf74a86a709eda42ce99f14c8742cb657cb386f08a4c9d", 243),
    ("imagenet_01_559.jpg", 60981, "5f03b0c74dff01b5b4195d0beabcae2a625a406e6917957ab9c455b5b7dea6d6", 559),
    ("imagenet_02_438.jpg", 38174, "ccef0734c1a65549c6cb5adb0f5d9b1c0b2e2104aba50a9e5f9202dc6d4532ed", 438),
    ("imagenet_03_990.jpg", 91433, "c7f0b2f1e9ee39d8f900759e8983afa2e4a2d7de090060e8bb947f6e90cace5f", 990),
    ("imagenet_04_949.jpg", 64224, "a7f62f3c1d214de4718c7253871ab38209283249e131faf65b8f2b7fdc970669", 949),
    ("imagenet_05_853.jpg", 82330, "8a449436c61da867528b1f4efaf8ae832ab9c9201705eae0d3af1353fbdac131", 853),
    ("imagenet_06_609.jpg", 91478, "fb061102a4e58b3ed942bb2a4f9542e1e1acdc8f225ef95498e93889290e192f", 609),
    ("imagenet_07_609.jpg", 93555, "2c297ad1e5c4804a647e9b34bc02ee2fc348b05a4d49050d170fb61c948efa5c", 609),
    ("imagenet_08_915.jpg", 92322, "c6a3411a3987799f0de45adc142f00ca412c3e14073c635e2adfae1f3913180c", 915),
    ("imagenet_09_455.jpg", 130424, "ace3716b60ac5843269b270e17020e4f8138440cd30ef3487f7d6e54da9745a4", 455),
    ("imagenet_10_541.jpg", 99497, "f325c71d9f4290ee45e99bd7ad42f4bffe513b1450ad21e7bd61c7cb137395d9", 541),
    ("imagenet_11_630.jpg", 27498, "892dff58fc528fe63d2df0c783aa3eca2342637798578ce01763fbc0553eda01", 630),
    ("imagenet_12_741.jpg", 112576, "6c256e17545b25bbf2e06cf6513ff48d049583569515ac4d4c3a52aea804a529", 741),
    ("imagenet_13_471.jpg", 72748, "52ed0e738b90d27afcabc3e92c81ae637f160c2d9f75b93a65211005ab5dcd81", 471),
    ("imagenet_14_129.jpg", 18186, "ad9371d813bf24b0365ee2f78f28c08718ee7c5975f060caa16c3f264e828139", 129),
    ("imagenet_15_99.jpg", 111008, "4b588649cd835d4c65521727ebee03d9621baff1f54d3e8a53a26b53d983ec2e", 99),
    ("imagenet_16_251.jpg", 73665, "ce3440a3b7beb6ca3009817504c44d39fa789e7c2f70a2eef7e2f9cc9a87b129", 251),
    ("imagenet_17_22.jpg", 30745, "b432341845620e9cfd67d848c4783c32dd6eaddad45513866b17180d2b09fcf5", 22),
    ("imagenet_18_317.jpg", 35421, "b9412f92f0b1c3faede45b55a44940977daa744f2040118d0538cf597fca785d", 317),
    ("imagenet_19_305.jpg", 38110, "e1f58f00e2e47ce930d7ecab0e46a78316054f68c10d0742e87c1cc092324556", 305),
)

LABELLED_PHOTOGRAPHS = tuple(
    LabelledPhotograph(
        PinnedFile(name, size_bytes, sha256, (IndexPackage("foolbox==3.3.4", f"foolbox/data/{name}"),)), index
    )
    for name, size_bytes, sha256, index in _ROWS
)
