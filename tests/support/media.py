"""Recordings as phones and cameras make them, encoded by PyAV."""

import io
from fractions import Fraction

import numpy as np


def encode_media(
    samples: np.ndarray, rate: int, container: str, codec: str, num_sounds: int = 1, video: bool = False, **options: str
) -> bytes:
    """Return the bytes of a file with this sound, `(n, channels)`; `options` are the muxer's."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as opened:
        pictures = [_add_pictures(opened)] if video else []
        for stream in [_add_sound(opened, rate, codec, samples.shape[1]) for _ in range(num_sounds)]:
            _encode_sound(opened, stream, samples)
        for stream in pictures:
            _encode_pictures(opened, stream, len(samples) / rate)
    return file.getvalue()


def video_only(seconds: float) -> bytes:
    """Return an MP4 of pictures."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as opened:
        _encode_pictures(opened, _add_pictures(opened), seconds)
    return file.getvalue()


def copied(data: bytes, container: str, **options: str) -> bytes:
    """Return the packets of a file in another container, as they are."""
    import av

    file = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(file, "w", format=container, options=options) as opened:
        stream = opened.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                opened.mux(packet)
    return file.getvalue()


def _add_sound(opened, rate, codec, num_channels):
    stream = opened.add_stream(codec, rate=rate, layout={1: "mono", 2: "stereo"}[num_channels])
    if codec.startswith("wma"):
        stream.bit_rate = 128_000
    return stream


def _encode_sound(opened, stream, samples):
    import av
    from av.audio.fifo import AudioFifo

    form = stream.codec_context.format.name
    scale, zero, kind = {
        "u8": (127, 128, np.uint8), "s16": (32767, 0, np.int16), "s32": (2147483392, 0, np.int32),
        "flt": (1, 0, np.float32),
    }[form.rstrip("p")]  # fmt: skip
    values = (samples * scale + zero).astype(kind)
    values = values.T if form.endswith("p") else values.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=form, layout=stream.layout.name)
    frame.sample_rate, frame.time_base, frame.pts = stream.rate, Fraction(1, stream.rate), 0
    frames = AudioFifo()
    frames.write(frame)
    while (part := frames.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        opened.mux(stream.encode(part))
    opened.mux(stream.encode(None))


def _add_pictures(opened):
    stream = opened.add_stream("mpeg4", rate=25)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    return stream


def _encode_pictures(opened, stream, seconds):
    import av

    for number in range(max(int(25 * seconds), 1)):
        frame = av.VideoFrame(32, 32, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        opened.mux(stream.encode(frame))
    opened.mux(stream.encode(None))
