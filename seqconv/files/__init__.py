"""Files, here or at an address: read, copied, written whole or not at all, locked by one process at a time."""

from seqconv.files.addresses import (
    TarMember,
    folder_of,
    is_address,
    is_web,
    name_of,
    seen_from,
    suffix_of,
    tar_member,
)
from seqconv.files.copies import LocalCopy, fetch, find_file, status_of
from seqconv.files.local import (
    as_storage_error,
    commit_file,
    expand_user,
    hold_lock,
    is_bomb,
    read_json_member,
    remove_leftovers,
    undecodable_line,
    write_atomically,
    write_pieces,
    write_text,
)
from seqconv.files.remote import Status, is_file, list_files, look_up, read_parts

__all__ = [
    "LocalCopy",
    "Status",
    "TarMember",
    "as_storage_error",
    "commit_file",
    "expand_user",
    "fetch",
    "find_file",
    "folder_of",
    "hold_lock",
    "is_address",
    "is_bomb",
    "is_file",
    "is_web",
    "list_files",
    "look_up",
    "name_of",
    "read_json_member",
    "read_parts",
    "remove_leftovers",
    "seen_from",
    "status_of",
    "suffix_of",
    "tar_member",
    "undecodable_line",
    "write_atomically",
    "write_pieces",
    "write_text",
]
