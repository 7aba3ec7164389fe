"""The fast path of one call: what `core.adapters.call.fast_outputs` asks."""

from __future__ import annotations

from torch import Tensor

from core.adapters.call import Call, Linears
from core.adapters.fast.fused import Fused, fits, run_fused
from core.adapters.fast.layouts import lay_out, lay_out_gated
from core.adapters.fast.sources import Sources
from core.adapters.parts.bank import Gathered
from core.adapters.parts.definition import SkillState
from core.base.errors import ModelError


class FastPath(Sources):
    """Made once for a call that an adapter has prepared, before any layer runs: a block that is recomputed in the
    backward pass has to find the layouts, not to make them."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        packed = call.packed is not None
        self._layouts = lay_out(call.state, packed) if isinstance(call.state, SkillState) else []
        self._by_times: dict[tuple[int, int], Fused] = {}

    def outputs(
        self, call: Call, group: int, x: Tensor, linears: Linears, gates: Tensor | None
    ) -> list[Tensor] | None:
        """None where the layers are not of the plain kind.

        Raises:
            ModelError: so in a packed call, which the definition cannot serve.
        """
        if gates is None:
            fused = self._layouts[group]
        else:
            assert isinstance(call.state, Gathered)
            fused = lay_out_gated(call.state.factors[group], gates)
        if not fits(x, fused, linears):
            if call.packed is not None:
                raise ModelError("adapter.not_packed")
            return None
        if gates is None:
            fused = self._for_rows(call, group, x.shape[0])
        return run_fused(x, fused, linears, self.find(x))

    def _for_rows(self, call: Call, group: int, num_rows: int) -> Fused:
        """The layout for a layer's rows: by token for packed examples, repeated for beams."""
        fused = self._layouts[group]
        if call.packed is not None:
            if fused.scale is None:
                return fused
            return Fused(fused.down, fused.up, fused.scale.index_select(0, call.packed.owners)[None], None)
        times = call.repeats(num_rows)
        if times == 1:
            return fused
        if (group, times) not in self._by_times:
            self._by_times[group, times] = fused.repeated(times)
        return self._by_times[group, times]
