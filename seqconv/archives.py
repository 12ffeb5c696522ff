"""Zip archives of unknown origin."""

import zipfile

# As Keras does: a member this large that packs better than any measurements do is made to fill the memory.
_LARGE_MEMBER = 256 << 20
_MOST_EXPANSION = 100


def is_bomb(info: zipfile.ZipInfo) -> bool:
    """Whether a member would unpack to far more than numbers from a measurement or a training can.

    >>> info = zipfile.ZipInfo("weights.h5")
    >>> info.compress_size, info.file_size = 1 << 20, 1 << 30
    >>> is_bomb(info)
    True
    """
    return info.file_size > max(_LARGE_MEMBER, _MOST_EXPANSION * info.compress_size)
