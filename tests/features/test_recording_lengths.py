"""The length of a recording is what will be decoded: all samples of the file, or an AudioError, never fewer."""

import os
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.streams import (
    ape_tag,
    artwork,
    check_damage,
    encode,
    noise,
    pages,
    refuses,
    short_opus,
    without_info,
    without_length,
)

from seqconv.cli.drafting.signals import measure_signals
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError
from seqconv.features import open_features
from seqconv.features.audio.decoding import count_samples, decode_audio, read_blocks

RATE = 8000
ID3_AT_END = b"TAG" + b"a title".ljust(125)
SECOND = noise(RATE)
TWO = noise(2 * RATE, seed=1)
# From the beginning of a recording until all encoders have found their way.
STARTUP = 2000


def decoded(path, data: bytes) -> np.ndarray:
    """The samples of a file with these bytes, which are as many as every way of asking for its length says."""
    path.write_bytes(data)
    samples, rate = decode_audio(path)
    assert count_samples(path) == len(samples)
    assert sum(map(len, read_blocks(path))) == len(samples)
    frame = pd.DataFrame({"id": ["x"], "path": [str(path)], "start": [None], "end": [None]})
    assert measure_signals(frame).lengths[0] * rate == pytest.approx(len(samples))
    return samples


@pytest.mark.parametrize("part", [0.75, 0.5, 0.25, 0.999])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_that_was_cut_off_is_refused(tmp_path, subtype, part):
    data = encode(TWO, RATE, "OGG", subtype)
    assert len(decoded(tmp_path / "x.ogg", data)) == 2 * RATE
    refuses(tmp_path / "x.ogg", data[: int(part * len(data))], "cut off")
    # The same between two pages, where nothing but the mark of the end is missing.
    whole = pages(data)
    refuses(tmp_path / "x.ogg", b"".join(whole[: max(int(part * len(whole)), 3)]), "marked as the end; it was cut off")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_with_a_changed_or_missing_page_is_refused(tmp_path, subtype):
    data = encode(noise(60 * RATE), RATE, "OGG", subtype)
    place = len(data) // 2
    changed = data[:place] + bytes(value ^ 0x55 for value in data[place : place + 3]) + data[place + 3 :]
    refuses(tmp_path / "x.ogg", changed, r"no whole Ogg page begins at byte \d+ of \d+; it was cut off or is damaged")
    whole = pages(data)
    refuses(tmp_path / "x.ogg", b"".join(whole[:3] + whole[4:]), "an Ogg page is missing before byte")


@pytest.mark.parametrize("kind", ["OGG", "FLAC", "WAV", "AIFF", "W64", "CAF", "AU", "NIST"])
def test_two_files_joined_are_refused_with_the_place(tmp_path, kind):
    for first, second in ((TWO, SECOND), (SECOND, TWO), (SECOND, SECOND)):
        data = encode(first, RATE, kind)
        reason = f"byte {len(data)}|joined"
        refuses(tmp_path / "x.wav", data + encode(second, RATE, kind), reason)


def test_what_other_programs_put_behind_an_ogg_is_no_sound(tmp_path):
    data = encode(SECOND, RATE, "OGG")
    whole = decoded(tmp_path / "x.ogg", data)
    for rest in (b"garbage" * 99, bytes(5000), ID3_AT_END):
        np.testing.assert_array_equal(decoded(tmp_path / "x.ogg", data + rest), whole)
    # Before it, libsndfile does not look for the beginning.
    refuses(tmp_path / "x.ogg", b"garbage" * 99 + data, "cannot be decoded")
    refuses(tmp_path / "x.ogg", data + data[:20], "cut off")


@pytest.mark.parametrize("num_samples", [40, 400, 1000, 4000, 7990])
def test_opus_of_less_than_a_second_is_decoded_whole(tmp_path, num_samples):
    data = encode(SECOND[:num_samples], RATE, "OGG", "OPUS")
    whole = decoded(tmp_path / "x.opus", data)
    assert len(whole) == num_samples
    # In one page, as FFmpeg writes it; by programs that forget the mark of the end; and with that on another page.
    for ends in ("marked", "unmarked", "apart"):
        np.testing.assert_array_equal(decoded(tmp_path / "x.opus", short_opus(data, ends)), whole)


def test_opus_whose_only_page_may_have_been_followed_by_others_is_refused(tmp_path):
    data = encode(SECOND[:4000], RATE, "OGG", "OPUS")
    refuses(tmp_path / "x.opus", short_opus(data, "open"), "marked as the end; it was cut off")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_S8"])
@pytest.mark.parametrize("num_samples", [100, 4096, 3 * 4096 + 5])
def test_a_flac_of_unknown_length_is_decoded_whole(tmp_path, subtype, num_samples):
    data = encode(TWO[:num_samples], 48000, "FLAC", subtype)
    whole = decoded(tmp_path / "x.flac", data)
    for front in (b"", artwork(9999)):
        np.testing.assert_array_equal(decoded(tmp_path / "x.flac", front + without_length(data)), whole)
    np.testing.assert_array_equal(decode_audio(tmp_path / "x.flac", start=0.001)[0], whole[48:])
    refuses(tmp_path / "x.flac", without_length(data)[:-1], "ends within its last frame; it was cut off")
    (tmp_path / "x.flac").write_bytes(data[:-1])
    with pytest.raises(AudioError, match=r"cut off|lost sync|cannot be decoded"):
        decode_audio(tmp_path / "x.flac")


def test_a_flac_between_two_frames_of_which_it_was_cut_off(tmp_path):
    data = encode(TWO, RATE, "FLAC")
    last = data.rindex(data[data.index(b"\xff\xf8") :][:4])
    refuses(tmp_path / "x.flac", data[:last], r"ends after 1\.\d* s, but its header declares 2 s")


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize(("rate", "num_channels"), [(44100, 1), (44100, 2), (22050, 1), (8000, 2)])
def test_an_mp3_has_all_its_seconds_whatever_its_header_says(tmp_path, mode, rate, num_channels):
    sound = noise(3 * rate, num_channels=num_channels)
    sound[rate : 2 * rate] *= 0.001
    data = encode(sound, rate, "MP3", bitrate_mode=mode, compression_level=0.4)
    whole = decoded(tmp_path / "x.mp3", data)
    # With its Info frame, what the encoder has added is left out.
    assert len(whole) == 3 * rate
    bare = decoded(tmp_path / "x.mp3", without_info(data))
    assert 3 * rate <= len(bare) <= 3 * rate + 3 * 1152
    assert len(bare) % 576 == 0
    parts = [np.abs(bare[lag : lag + rate] - whole[:rate]).mean() for lag in range(3000)]
    # Without it, nothing is: neither the delay of LAME nor that of the decoder.
    lag = int(np.argmin(parts))
    assert lag == 576 + 529
    np.testing.assert_allclose(bare[lag + STARTUP : 3 * rate], whole[STARTUP : 3 * rate - lag], atol=1e-4)
    for front, end in (
        (artwork(200_000), b""),
        (b"", ID3_AT_END),
        (artwork(50), ape_tag() + ID3_AT_END),
        (b"", bytes(99)),
    ):
        np.testing.assert_array_equal(decoded(tmp_path / "x.mp3", front + data + end), whole)
    np.testing.assert_array_equal(decoded(tmp_path / "x.mp3", artwork(200_000) + without_info(data)), bare)
    # A part in the middle, which is sought.
    np.testing.assert_allclose(decode_audio(tmp_path / "x.mp3", start=2.5)[0], bare[int(2.5 * rate) :], atol=1e-4)


def test_mp3s_joined_have_all_seconds_of_each(tmp_path):
    first, second = encode(noise(2 * 44100), 44100, "MP3"), encode(noise(44100, seed=3), 44100, "MP3")
    ones = [decoded(tmp_path / "x.mp3", without_info(data)) for data in (first, second)]
    for data in (first + second, artwork(5000) + first + ID3_AT_END + artwork(100) + second):
        joined = decoded(tmp_path / "x.mp3", data)
        assert sum(map(len, ones)) <= len(joined) <= sum(map(len, ones)) + 1152
        np.testing.assert_allclose(joined[STARTUP:80000], ones[0][STARTUP:80000], atol=1e-4)
        np.testing.assert_allclose(joined[-40000:], ones[1][-40000:], atol=1e-4)
    refuses(tmp_path / "x.mp3", first + encode(SECOND, 22050, "MP3"), "another sample rate or number of channels")


def test_an_mp3_that_was_cut_off_or_is_damaged_is_refused(tmp_path):
    data = encode(TWO, RATE, "MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    bare = without_info(data)
    size = len(data) - len(bare)
    for whole in (data, bare, artwork(5000) + bare):
        refuses(tmp_path / "x.mp3", whole[:-10], "ends within a frame of MPEG audio; it was cut off")
    # Between two frames, the Info frame tells.
    frame = bare.index(bare[:3], 4)
    refuses(tmp_path / "x.mp3", data[: size + 5 * frame], "but its header declares 2")
    refuses(tmp_path / "x.mp3", bare[:-frame] + bytes(frame), "no frame of MPEG audio begins at byte")
    refuses(tmp_path / "x.mp3", bare[:600] + b"garbage" + bare[600:], "no frame of MPEG audio begins at byte")
    refuses(tmp_path / "x.mp3", bare + b"garbage", "no frame of MPEG audio begins at byte")


CUT = ["NIST", "VOC", "AVR", "MAT4", "MAT5", "SVX", "WVE", "MPC2K", "HTK", "CAF", "AIFF", "W64", "RF64", "AU"]


@pytest.mark.parametrize("part", [0.9, 0.5])
@pytest.mark.parametrize("kind", CUT)
def test_every_format_that_declares_a_length_is_refused_when_it_was_cut_off(tmp_path, kind, part):
    data = encode(SECOND, RATE, kind, "ALAW" if kind == "WVE" else "PCM_16")
    assert len(decoded(tmp_path / "x.wav", data)) == RATE
    refuses(tmp_path / "x.wav", data[: int(part * len(data))], "it was cut off or is damaged|cannot be decoded")
    assert len(decoded(tmp_path / "x.wav", data + bytes(0 if kind == "HTK" else 100))) == RATE


@pytest.mark.parametrize(
    ("kind", "subtype"), [("NIST", "ULAW"), ("VOC", "PCM_U8"), ("MAT4", "DOUBLE"), ("MAT5", "FLOAT")]
)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_declared_lengths_are_those_of_all_channels_and_widths(tmp_path, kind, subtype, num_channels):
    data = encode(noise(RATE, num_channels=num_channels), RATE, kind, subtype)
    assert len(decoded(tmp_path / "x.wav", data)) == RATE
    refuses(
        tmp_path / "x.wav",
        data[: len(data) // 2],
        "but its header declares 1 s or more; it was cut off|cannot be decoded",
    )


def chunk_size(kind: str) -> tuple[bytes, int, str]:
    """The name of the chunk of samples, where its size is behind the name, and how it is written."""
    return {"WAV": (b"data", 4, "<I"), "AIFF": (b"SSND", 4, ">I"), "W64": (b"data\xf3", 16, "<Q"),
            "CAF": (b"data", 4, ">Q")}[kind]  # fmt: skip


@pytest.mark.parametrize("less", [2, 1000, 8000])
@pytest.mark.parametrize("kind", ["WAV", "AIFF", "W64", "CAF"])
def test_a_header_that_ends_the_samples_too_early_is_refused_with_both_readings(tmp_path, kind, less):
    data = bytearray(encode(SECOND + 0.123, RATE, kind, "FLOAT" if kind != "AIFF" else "PCM_24"))
    name, offset, form = chunk_size(kind)
    place = data.index(name) + offset
    (size,) = struct.unpack_from(form, data, place)
    struct.pack_into(form, data, place, size - less)
    refuses(tmp_path / "x.wav", bytes(data), r"either more samples, or another recording .* cut the file there")


def test_a_wav_above_4_gib_whose_size_wrapped_is_refused(tmp_path):
    path, num_samples = tmp_path / "x.wav", 2_147_491_648
    path.write_bytes(encode(np.zeros(RATE), RATE, "WAV"))
    os.truncate(path, 44 + 2 * num_samples)
    for ask in (count_samples, decode_audio):
        with pytest.raises(AudioError, match=r"32 bits holds no more than 4 GiB.* -rf64 auto NEW\.wav"):
            ask(path)


def test_chunks_of_odd_size_behind_the_samples_are_none(tmp_path):
    data = encode(SECOND[:999], RATE, "WAV", "PCM_24")
    assert len(data) % 2 == 0
    whole = decoded(tmp_path / "x.wav", data)
    note = b"LIST" + struct.pack("<I", 7) + b"a note."
    for rest in (
        note + b"\0",
        note,
        note[:9],
        b"id3 " + struct.pack("<I", 3) + b"x\0\0\0",
        ID3_AT_END,
        ape_tag(),
        bytes(512),
    ):
        np.testing.assert_array_equal(decoded(tmp_path / "x.wav", data + rest), whole)
        # Without the byte that makes the size even.
        np.testing.assert_array_equal(decoded(tmp_path / "x.wav", data[:-1] + rest), whole)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "W64", "NIST"])
def test_files_without_samples_are_refused(tmp_path, kind):
    refuses(tmp_path / "x.wav", encode(np.zeros(0), RATE, kind), "holds no samples|cannot be decoded|cut off")
    refuses(tmp_path / "x.wav", b"", "cannot be decoded")


ORIGINALS = {
    "vorbis": encode(SECOND, RATE, "OGG"),
    "opus": encode(SECOND, RATE, "OGG", "OPUS"),
    "flac": encode(SECOND, RATE, "FLAC"),
    "flac of unknown length": without_length(encode(SECOND, RATE, "FLAC")),
    "mp3": encode(SECOND, RATE, "MP3"),
    "mp3 of variable rate": encode(SECOND, RATE, "MP3", bitrate_mode="VARIABLE", compression_level=0.3),
    "stereo mp3": encode(noise(RATE, num_channels=2), RATE, "MP3"),
}


# A header without samples is as long as that of the others.
KINDS = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM")),
    *(
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_24"),
        ("W64", "ULAW"),
        ("AIFF", "PCM_24"),
        ("AIFF", "FLOAT"),
    ),
    *(("AIFF", "ULAW"), ("CAF", "PCM_24"), ("CAF", "ALAC_16"), ("AU", "PCM_16"), ("AU", "ULAW"), ("NIST", "PCM_16")),
    *(("NIST", "ULAW"), ("FLAC", "PCM_24"), ("FLAC", "PCM_S8"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
]
SHORT = noise(1000, num_channels=2)
MADE = {
    (kind, subtype, num_channels): (
        encode(SHORT[:, :num_channels], RATE, kind, subtype),
        len(encode(SHORT[:0, :num_channels], RATE, kind, subtype)),
    )
    for kind, subtype in KINDS
    for num_channels in (1, 2)
}


def check_made(path, name, data) -> None:
    """Damage a file: what its header says of channels and widths, nothing else says."""
    whole, header = MADE[name]
    check_damage(path, whole, data, header=header)


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_is_damaged_below_holds_all_samples(tmp_path, name):
    (tmp_path / "x").write_bytes(MADE[name][0])
    # ADPCM has whole blocks.
    assert count_samples(tmp_path / "x") == len(SHORT) or name[1] in ("IMA_ADPCM", "MS_ADPCM")


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in KINDS}))
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_container_gives_all_samples_or_an_error(tmp_path, kind, data):
    check_made(tmp_path / "x", data.draw(st.sampled_from([name for name in sorted(MADE) if name[0] == kind])), data)


@pytest.mark.slow
@given(name=st.sampled_from(sorted(MADE)), data=st.data())
@settings(max_examples=50_000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_container_often(tmp_path, name, data):
    check_made(tmp_path / "x", name, data)


@given(name=st.sampled_from(sorted(ORIGINALS)), data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_it_is_cut_or_changed_all_samples_come_or_an_error(tmp_path, name, data):
    original = ORIGINALS[name]
    place = data.draw(st.integers(0, len(original) - 1))
    length = data.draw(st.integers(0, 400))
    damage = data.draw(st.sampled_from(["cut", "drop", "zeros", "flip"]))
    behind = original[place + length :]
    between = {
        "cut": b"", "drop": b"", "zeros": bytes(len(original[place:]) - len(behind)),
        "flip": bytes(value ^ 0x41 for value in original[place : place + length % 4]) + original[place + length % 4 :][
            : length - length % 4
        ],
    }[damage]  # fmt: skip
    path = tmp_path / "x.wav"
    path.write_bytes(original[:place] + between + (b"" if damage == "cut" else behind))
    try:
        samples, _ = decode_audio(path)
    except AudioError:
        return
    assert len(samples) >= RATE
    assert count_samples(path) == len(samples)


def test_raw_samples_with_channels_first_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", noise(RATE, num_channels=2).T)
    with pytest.raises(AudioError, match=r"\(2, 8000\) means 2 samples of 8000 channels.* save x.T"):
        decode_audio(tmp_path / "x.npy", sample_rate=RATE)
    np.save(tmp_path / "x.npy", noise(RATE, num_channels=2))
    assert count_samples(tmp_path / "x.npy", sample_rate=RATE) == RATE


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "npy"])
def test_channels_that_cancel_each_other_are_told_and_one_can_be_chosen(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    both = np.stack([SECOND[:, 0], -SECOND[:, 0]], axis=1)
    if kind == "npy":
        np.save(path, both)
    else:
        path.write_bytes(encode(both, RATE, kind))
    for ask in (decode_audio, lambda *args, **options: list(read_blocks(*args, **options))):
        with pytest.raises(AudioError, match=r"its 2 channels cancel each other .* features\.channel: 0") as caught:
            ask(path, sample_rate=RATE)
        assert str(path) in str(caught.value)
    first, second = (decode_audio(path, sample_rate=RATE, channel=channel)[0] for channel in (0, 1))
    np.testing.assert_allclose(first, -second, atol=0.05)
    assert np.corrcoef(first[-6000:], SECOND[-6000:, 0])[0, 1] > 0.9
    with pytest.raises(AudioError, match=r"has no channel 2 \(features\.channel\): it has 2, and the first is 0"):
        count_samples(path, sample_rate=RATE, channel=2)


def test_the_channel_of_the_settings_is_the_one_whose_features_are_computed(tmp_path):
    both = np.stack([TWO[:, 0], -TWO[:, 0]], axis=1)
    (tmp_path / "x.wav").write_bytes(encode(both, RATE, "WAV", "FLOAT"))
    (tmp_path / "mono.wav").write_bytes(encode(-TWO, RATE, "WAV", "FLOAT"))
    pd.DataFrame({"path": ["x.wav"], "label": ["a"]}).to_csv(tmp_path / "m.csv", index=False)
    kind = {"kind": "waveform", "sample_rate": RATE, "n_fft": 80, "hop_length": 80}
    expected = np.concatenate(list(open_features(tmp_path / "mono.wav", kind)))
    read = {"cache_dir": tmp_path / "cache"}
    with pytest.raises(AudioError, match="cancel each other"):
        Sequences.from_manifest(tmp_path / "m.csv", kind, **read)
    for channel, sign in ((1, 1), (0, -1)):
        settings = {**kind, "channel": channel}
        data = Sequences.from_manifest(tmp_path / "m.csv", settings, **read)
        np.testing.assert_array_equal(data[0], sign * expected)
        np.testing.assert_array_equal(
            np.concatenate(list(open_features(tmp_path / "x.wav", settings))), sign * expected
        )
