"""A decoder that fails in the ways that decoders do."""

# A decoder with the faults that none of the known files has: it stands before the real one in the workers' path.
# Plain WAVs do not pass through it: what is to fail is FLAC, whatever its name.
DECODER = """
import importlib, os, signal, sys, time

sys.path.remove(os.path.dirname(__file__))
del sys.modules["soundfile"]
real = importlib.import_module("soundfile")
open_file = real.SoundFile.__init__

def open_or_fail(self, file, *args, **options):
    name = os.path.basename(os.fsdecode(file))
    if name == "3.wav":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "5.wav":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "40.wav":
        # As one that hangs, but the alarm that is set for it need not be waited for.
        if not signal.getitimer(signal.ITIMER_REAL)[0] > 0:
            raise RuntimeError("no alarm was set")
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        time.sleep(1000)
    if name == "41.wav":
        raise MemoryError("of 9 GiB")
    open_file(self, file, *args, **options)

real.SoundFile.__init__ = open_or_fail
"""
