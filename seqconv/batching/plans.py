"""Plans: groups of sequences as a pure function of (lengths or sampler, options, geometry, seed, epoch)."""

from typing import NamedTuple, Protocol

import numpy as np

from seqconv.batching.epoch_sampling import EpochSample, PlanInput
from seqconv.batching.epochs import Assembly, EpochPlan, EpochTable
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.lengths import LongSequences, apply_limit
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry

_ORDER, _BATCHES, _CROP = 1, 2, 3


class Grouping(Protocol):
    """A way to group sequences into batches; `vectorized_packing`, `bucketing` and `padding` hold the four."""

    @property
    def name(self) -> str: ...

    @property
    def shapes(self) -> tuple[Shape, ...]: ...

    def assemble(self, order: Integers, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Group the entries `order` of an epoch; `lengths` is indexed by entry. Without a generator, keep the order."""
        ...


class _Figures(NamedTuple):
    """Figures of an epoch, which are kept after its table was forgotten."""

    steps: int
    total_frames: int
    real_frames: int
    too_long: int


class Plan:
    """The batches of every epoch of a run, known before any feature is read.

    `strategy`: name of the strategy. `shapes`: every (rows, width, num_slots) that may occur. `padding_ratio`: padding
    frames (gaps included) over all frames, in epoch 0. `mean_sequences`: sequences per step of epoch 0. `dropped`,
    `cropped`, `in_own_batch`: how many sequences were too long, by what became of them (`too_long`: what was asked
    for). `max_frames`: the longest length that is not too long, None where there is no limit. `len(plan)`: steps of
    epoch 0.

    With a draw that differs by epoch, `num_sequences`, `num_frames` and the three counts are those of epoch 0, too.
    """

    def __init__(
        self,
        strategy: Grouping,
        long_sequences: LongSequences,
        *,
        expected: PlanInput,
        time_geometry: TimeGeometry = (),
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self._strategy, self._long, self._expected = strategy, long_sequences, expected
        self._geometry, self._seed, self._shuffle = time_geometry, check_seed(seed), shuffle
        self._tables: dict[int, EpochTable] = {}
        self._figures: dict[int, _Figures] = {}
        first = self._first = self._table(0)
        long_sequences, _ = self._entries(0)
        self.strategy = strategy.name
        self.shapes = strategy.shapes
        self.num_sequences = len(long_sequences.kept)
        self.num_frames = int(long_sequences.planned.sum())
        self.total_frames = first.num_frames
        self.padding_ratio = 1 - self.num_frames / self.total_frames
        self.mean_sequences = self.num_sequences / len(first)
        self.max_frames, self.too_long = long_sequences.limit, long_sequences.too_long
        self.dropped = long_sequences.count("drop")
        self.cropped = long_sequences.count("crop")
        self.in_own_batch = long_sequences.count("own_batch")

    def __len__(self) -> int:
        return len(self._first)

    def num_steps(self, epoch: int) -> int:
        """Count the steps of an epoch; epochs of a packed plan may differ by a few."""
        return self._figures_of(epoch).steps

    def epoch(self, epoch: int, *, rank: int = 0, world_size: int = 1, start: int = 0) -> EpochPlan:
        """Return the layouts of an epoch, for process `rank` of `world_size`, without the first `start` steps.

        Every process gets as many layouts of the same shapes. Raises ConfigError for a step or rank out of range.
        """
        return EpochPlan(self._table(epoch), rank=rank, world_size=world_size, start=start)

    def padding_ratio_of(self, epoch: int) -> float:
        """Return padding frames over all frames of one epoch; `padding_ratio` is that of the first."""
        figures = self._figures_of(epoch)
        return 1 - figures.real_frames / figures.total_frames

    def num_frames_of(self, epoch: int) -> int:
        """Count the frames of all sequences of one epoch; `num_frames` is that of the first."""
        return self._figures_of(epoch).real_frames

    def num_too_long_of(self, epoch: int) -> int:
        """Count the sequences of one epoch over `max_frames`; epochs differ if a sampler changes lengths."""
        return self._figures_of(epoch).too_long

    def __str__(self) -> str:
        return _report(self, self._first)

    def __repr__(self) -> str:
        return (
            f"<{self.strategy} plan: {self.num_sequences} sequences, {len(self)} steps, "
            f"{len(self.shapes)} shapes, padding_ratio={self.padding_ratio:.4f}>"
        )

    def _table(self, epoch: int) -> EpochTable:
        if epoch < 0:
            raise ConfigError(f"epoch={epoch}: epochs count from 0")
        table = self._tables.get(epoch)
        if table is None:
            table = self._make_table(epoch)
            # Two epochs are enough for a run (this one and the next) and bound the memory of a long one. Batches are
            # made in another thread than the one that trains, and both may come here.
            for old in list(self._tables)[: max(0, len(self._tables) - 1)]:
                self._tables.pop(old, None)
            self._tables[epoch] = table
        return table

    def _figures_of(self, epoch: int) -> _Figures:
        if epoch not in self._figures:
            self._table(epoch)
        return self._figures[epoch]

    def _make_table(self, epoch: int) -> EpochTable:
        long, drawn = self._entries(epoch)
        order = draw_order(long.kept, seed=self._seed, epoch=epoch, shuffle=self._shuffle)
        generator = np.random.default_rng([self._seed, epoch, _BATCHES]) if self._shuffle else None
        assembly = self._strategy.assemble(order, long.lengths, generator)
        offsets = self._draw_offsets(long, epoch) if long.count("crop") else None
        table = EpochTable(assembly, self._strategy.shapes, long.lengths, offsets, self._geometry, drawn)
        self._figures[epoch] = _Figures(len(table), table.num_frames, table.real_frames, len(long.long))
        return table

    def _entries(self, epoch: int) -> tuple[LongSequences, EpochSample | None]:
        """Return the entries of an epoch after `too_long`, and which sequences they are if a sampler chose them."""
        drawn = self._expected.epoch(epoch)
        if drawn is None:
            return self._long, None
        return apply_limit(drawn.lengths, self._long.limit, self._long.too_long), drawn

    def _draw_offsets(self, long: LongSequences, epoch: int) -> IntArray:
        # One number for each entry of the whole set, so that an offset hangs on the entry alone.
        draws = np.random.default_rng([self._seed, epoch, _CROP]).random(len(long.lengths))
        slack = long.original - long.lengths
        return np.floor(draws * (slack + 1)).astype(np.int64)


def draw_order(kept: Integers, *, seed: int, epoch: int, shuffle: bool) -> Integers:
    """Return the order in which an epoch takes its sequences."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(kept) if shuffle else kept


def check_seed(seed: int) -> int:
    """Raise ConfigError unless `seed` can seed a generator."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed={seed!r}: expected a whole number, 0 or more")
    return int(seed)


def _report(plan: Plan, table: EpochTable) -> str:
    steps = np.bincount(table.assembly.shape_ids, minlength=len(plan.shapes)).tolist()
    lines = [
        f"{plan.strategy}: {plan.num_sequences:,} sequences, {plan.num_frames:,} frames, "
        f"{len(plan):,} steps an epoch, {plan.mean_sequences:.1f} sequences a step",
        f"padding ratio {plan.padding_ratio:.4f} "
        f"({plan.total_frames / plan.num_frames - 1:.4f} padding frames for each real one)",
        "    rows x width     slots   steps",
    ]
    shown = sorted(range(len(plan.shapes)), key=lambda i: -steps[i])
    lines += [f"{plan.shapes[i].rows:8d} x {plan.shapes[i].width:<8d}{plan.shapes[i].num_slots:6d}{steps[i]:8,d}"
              for i in shown[:12]]  # fmt: skip
    if len(shown) > 12:
        lines.append(f"    and {len(shown) - 12} more shapes")
    fates = ((plan.dropped, "dropped"), (plan.cropped, "cropped"), (plan.in_own_batch, "in batches of their own"))
    for count, fate in fates:
        if count:
            lines.append(f"too long (over {plan.max_frames:,} frames): {count:,} {fate}")
    return "\n".join(lines)
