"""What is right on a graphics card, shown without one: which cards are seen, leased and hidden, which numbers are
chosen, what failures are called, and that nothing waits for the card where it need not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from core import worker
from core.adapters.methods.mta import Selected
from core.adapters.parts.feed_forward import FaithfulPool, LightPool, OwnLightPool, Pool
from core.base import cards
from core.base.errors import RunError, SettingError
from core.base.processes import child_environment
from core.commands import doctor
from core.models.answer import Answer
from core.models.decoding import DecoderBatch
from core.runs import device_lease
from core.runs.device_lease import DeviceLease, lease_device, lease_holder
from core.runs.ranks import RankLost
from core.training import checks, trainer
from core.training.config import RunConfig, change_config
from core.training.device import choose_device
from core.training.failures import classify
from core.training.stage import _is_finite
from core.training.validation import to_device

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SPACES_ZERO_GPU")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing hidden and nothing remembered; what a test hides is shown again."""
    for name in VISIBLE:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    cards._ask_torch.cache_clear()
    yield
    cards._ask_torch.cache_clear()


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (device_lease, checks):
        monkeypatch.setattr(place, "count_cards", lambda: 2)


def found_by_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str) -> list[int]:
    """A machine with a driver that is not NVIDIA's on Linux, where torch says this; -> one entry a question."""
    (tmp_path / "dxg").touch()
    monkeypatch.setattr(cards, "_DRIVERS", (tmp_path / "nvidiactl", tmp_path / "dxg"))
    asked: list[int] = []

    def run(*_: Any) -> Any:
        asked.append(1)
        return SimpleNamespace(output=said)

    monkeypatch.setattr(cards, "run_to_end", run)
    return asked


def test_cards_are_counted_by_torch_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = found_by_torch(monkeypatch, tmp_path, "a warning\n2\n")
    assert [cards.count_cards(), cards.count_cards(), lease_device("auto")] == [2, 2, "cuda"]
    assert len(asked) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    cards.count_cards()
    assert len(asked) == 2  # another question


@pytest.mark.parametrize("said", ["0", "", "no such thing"])
def test_a_driver_without_a_torch_for_it_is_no_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    found_by_torch(monkeypatch, tmp_path, said)
    assert lease_device("auto") == "cpu"


@pytest.mark.parametrize(
    ("name", "value"), [(VISIBLE[0], ""), (VISIBLE[0], "-1"), (VISIBLE[1], ""), (VISIBLE[3], "1")]
)
def test_hidden_cards_are_not_asked_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    asked = found_by_torch(monkeypatch, tmp_path, "2")
    monkeypatch.setenv(name, value)
    assert cards.count_cards() == 0
    assert not asked


@pytest.mark.parametrize(
    ("inherited", "chosen", "left"),
    [
        (None, (0,), "0"),
        (None, (1, 3), "1,3"),
        ("0,1", (0,), "0"),  # several cards that were inherited would wake DataParallel
        ("5,2", (1,), "2"),
        ("GPU-8932f937,GPU-1c2a", (1,), "GPU-1c2a"),
        ("3", (0,), "3"),
        ("3", (1,), "3"),
    ],
)
def test_only_the_leased_cards_are_seen(
    monkeypatch: pytest.MonkeyPatch, inherited: str | None, chosen: tuple[int, ...], left: str
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if inherited is not None:
            monkeypatch.setenv(name, inherited)
        cards.show_only(chosen)
        assert os.environ[name if inherited else "CUDA_VISIBLE_DEVICES"] == left
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize("lease", [SimpleNamespace(cards=(1,)), None])
def test_a_single_process_sees_one_card(monkeypatch: pytest.MonkeyPatch, lease: Any) -> None:
    """On the card it leased; with another engine, which leases for itself, on the first that it was given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr(worker, "lease_device", lambda _: "cuda")
    monkeypatch.setattr(worker, "_wait_for_device", lambda *_: nullcontext(lease))
    seen: list[str] = []
    monkeypatch.setattr(worker, "_train_here", lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    folder = SimpleNamespace(read_config=RunConfig, read_run=dict)
    worker._work(folder, SimpleNamespace(progress=lambda **_: None), is_far=lease is None)  # type: ignore[arg-type]
    assert seen == ["6" if lease else "4"]


def test_the_trainer_never_spreads_a_process_over_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainer, "TrainingArguments", lambda **_: SimpleNamespace(n_gpu=2, _n_gpu=2))
    made = trainer.training_arguments(RunConfig(), 1, torch.device("cpu"), tmp_path / "run" / "out")
    assert made._n_gpu == 1


@pytest.mark.usefixtures("two_cards")
def test_two_runs_lease_two_cards_and_a_third_waits(tmp_path: Path) -> None:
    first, second, third, chat = (
        DeviceLease(tmp_path, device, "training", name)
        for device, name in (("cuda", "a"), ("cuda", "b"), ("cuda", "c"), ("cuda:0", "chat"))
    )
    assert first.try_acquire()
    assert first.cards == (1,)  # a chat answers on the first
    assert lease_holder(tmp_path, "cuda") is None
    assert chat.try_acquire()
    assert not second.try_acquire()
    assert (lease_holder(tmp_path, "cuda") or {})["name"] == "chat"
    chat.release()
    assert second.try_acquire()
    assert second.cards == (0,)
    assert not third.try_acquire()
    with pytest.raises(RunError), third:
        pass
    first.release()
    assert third.try_acquire()


@pytest.mark.usefixtures("two_cards")
def test_a_run_of_two_processes_takes_both_cards_or_none(tmp_path: Path) -> None:
    one, both = (
        DeviceLease(tmp_path, "cuda", "training", "a"),
        DeviceLease(tmp_path, "cuda", "training", "b", "", 2),
    )
    assert one.try_acquire()
    assert not both.try_acquire()
    assert lease_holder(tmp_path, "cuda:0") is None  # nothing is kept of what was not enough
    one.release()
    assert both.try_acquire()
    assert both.cards == (0, 1)


@pytest.mark.usefixtures("two_cards")
def test_more_processes_than_cards_are_refused_before_the_start() -> None:
    problems = checks._check_device(RunConfig(device="cuda", num_processes=3))
    assert [(p.field, p.key) for p in problems] == [("num_processes", "check.cards")]
    assert checks._check_device(RunConfig(device="cuda", num_processes=2)) == []
    assert checks._check_device(RunConfig(device="cpu", num_processes=3)) == []


def test_what_chooses_cards_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION")
    for name in names:
        monkeypatch.setenv(name, "x")
    assert set(names) <= child_environment().keys()


@pytest.mark.parametrize(("real", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_is_chosen_only_where_the_card_has_it(
    monkeypatch: pytest.MonkeyPatch, real: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or real
    )
    assert choose_device(RunConfig()).dtype == expected


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "out_of_memory"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "out_of_memory"),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "out_of_memory"),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "out_of_memory"),
        ("HIP out of memory. Tried to allocate 20.00 MiB", "out_of_memory"),
        ("NCCL error: unhandled cuda error, ncclUnhandledCudaError: Cuda failure 'out of memory'", "out_of_memory"),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`", "hardware"),
        ("CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasSgemm`", "hardware"),
        ("NCCL error in: ProcessGroupNCCL.cpp, ncclUnhandledCudaError: Call to CUDA function failed.", "hardware"),
        ("HIP error: invalid device function", "hardware"),
        ("CUDA driver version is insufficient for CUDA runtime version", "hardware"),
        ("no kernel image is available for execution on the device", "hardware"),
        ("Expected all tensors to be on the same device", "unknown"),
    ],
)
def test_messages_of_cards_are_in_the_right_class(said: str, failure: str) -> None:
    assert classify(RuntimeError(said), {}).failure == failure


@pytest.mark.parametrize(
    ("said", "is_lost"),
    [
        ("ncclRemoteError: A call failed possibly due to a network error or a remote process exiting", True),
        ("NCCL communicator was aborted on rank 1", True),
        ("Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5)", True),
        ("ncclUnhandledCudaError: Call to CUDA function failed.", False),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_the_death_of_another_process_is_told_from_an_error_of_ones_own(said: str, is_lost: bool) -> None:
    assert RankLost.caused(RuntimeError(said)) == is_lost


def test_batches_go_to_a_card_from_pinned_memory_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def pin(value: torch.Tensor) -> torch.Tensor:
        done.append("pinned")
        return value

    def move(value: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        done.append(f"{device} {non_blocking}")
        return value

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", move)
    assert to_device({"ids": torch.ones(2), "num_tokens": 2}, torch.device("cuda"))["num_tokens"] == 2
    assert done == ["pinned", "cuda True"]
    to_device({"ids": torch.ones(2)}, torch.device("cpu"))
    assert done[2:] == ["cpu True"]


@pytest.mark.parametrize(
    "pool",
    [LightPool(3, 8, 2, None), OwnLightPool(3, 8, 2, None), FaithfulPool(3, nn.Linear(8, 8))],
    ids=lambda pool: type(pool).__name__,
)
def test_a_block_asks_the_card_nothing(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    def asked(*_: Any) -> Any:
        raise AssertionError("the host waits for the card")

    class LookedUp(TorchFunctionMode):
        """Not a patch of the class: one of `__getitem__` leaves every tensor a sequence, for good."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            index = args[1] if func is torch.Tensor.__getitem__ else ()
            if any(isinstance(part, list) for part in (index if isinstance(index, tuple) else (index,))):
                asked()  # the list is copied to the card, and waited for
            return func(*args, **(kwargs or {}))

    x, weights = torch.randn(2, 4, 8), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    expected = sum(weights[:, k, None, None] * pool.each(x, x)[k] for k in range(3))
    for name in ("tolist", "item", "__bool__", "__int__", "__float__", "cpu", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, asked)
    with LookedUp():
        found = pool.mixed(x, x, weights, [0, 2])
        with pytest.raises(AssertionError, match="waits"):
            x[[0, 1]]
    monkeypatch.undo()
    assert torch.allclose(found, expected, atol=1e-6)  # type: ignore[arg-type]


def test_faithful_copies_are_multiplied_in_the_precision_of_the_base() -> None:
    pool, seen = FaithfulPool(2, nn.Linear(8, 8)), []
    pool.copies[0].register_forward_hook(lambda *given: seen.append(given[2].dtype))
    x = torch.randn(1, 3, 8)
    for inputs in (x.bfloat16(), x):
        pool.mixed(inputs, None, torch.tensor([[1.0, 0.0]]), [0])
    assert seen == [torch.bfloat16, torch.float32]
    assert pool.dtype == torch.float32
    assert Selected.__dataclass_fields__.keys() >= {"used", "used_pair"}


def test_the_masks_of_an_exam_stay_on_the_card() -> None:
    seen: list[str] = []

    class Forward:
        device = torch.device("meta")  # stands for a card: nothing on it can be read

        def accepted_names(self) -> set[str]:
            return {"position_ids"}

        def open(self, tasks: Any, mask: torch.Tensor) -> Any:
            return tasks

        def __call__(self, opened: Any, **given: Any) -> Any:
            seen.extend(given[name].device.type for name in ("attention_mask", "position_ids"))
            logits = torch.zeros(len(opened), 1, 5)
            return SimpleNamespace(past_key_values=None, logits=logits)

    batch = DecoderBatch(Forward(), 0, frozenset({4}))  # type: ignore[arg-type]
    batch.add([Answer(0, 0, [1, 2], 3), Answer(1, 0, [1], 3)])
    batch.step()
    assert seen == ["meta"] * 4


def test_one_question_tells_whether_all_is_finite() -> None:
    assert _is_finite({"a": torch.ones(2), "b": torch.zeros(1)})
    assert not _is_finite({"a": torch.ones(2), "b": torch.tensor([float("nan")])})
    assert _is_finite({})


def test_apples_cards_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = doctor._cards(torch)
    assert (found.level, "not used" in found.text) == ("note", True)
    with pytest.raises(SettingError, match="cuda"):
        change_config(RunConfig(), {"device": "mps"})
