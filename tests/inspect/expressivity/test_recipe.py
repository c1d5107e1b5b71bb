"""What cells can learn, and what they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from timesteps.errors import UsageError
from timesteps.inspect.expressivity import TASKS, expressivity
from timesteps.nn import LinearCell, scan


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_lstm_trained_on_forty_steps_keeps_parity_over_a_thousand(seed: int) -> None:
    found = expressivity("lstm", "parity", seed=seed, lengths=(40, 1000))
    assert found.accuracy == {40: 1.0, 1000: 1.0} and found.can and found.theory is None
    assert found.trained_to == 40
    rng = np.random.default_rng(77)
    rows = [TASKS["parity"].draw(rng, 1000) for _ in range(20)]
    answers = found.session.predict([steps for steps, _ in rows])
    assert answers == [truth.tolist() for _, truth in rows]


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_other_cells_with_a_recurrent_product_can(cell: str) -> None:
    assert expressivity(cell, "parity", lengths=(1000,)).can


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_linear_cells_with_positive_factors_cannot(cell: str) -> None:
    found = expressivity(cell, "parity", lengths=(40, 1000))
    assert not found.can and abs(found.accuracy[1000] - 0.5) < 0.02
    assert found.theory is not None and "arXiv:2411.12537" in found.theory
    assert expressivity(cell, "copy", lengths=(40,)).accuracy[40] > 0.99  # it is the task, not the training


def test_a_linear_cell_whose_factor_may_be_negative_can() -> None:
    """h' = (1 - 2x) h turns its state round at every one: Grazzi et al. 2024, arXiv:2411.12537."""

    class Turning(LinearCell):
        gates = ("a",)

        def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
            return 1 - 2 * gx, torch.zeros_like(gx)

    cell = Turning(1, 1)
    with torch.no_grad():
        cell.weight_ih.fill_(1)
        cell.bias_ih.zero_()
        steps, truth = TASKS["parity"].draw(np.random.default_rng(0), 1000)
        y, _ = scan(cell, torch.from_numpy(steps).float()[None], state=torch.ones(1, 1))
    assert ((y[0, :, 0] < 0).long().numpy() == truth).all()


def test_the_same_seed_gives_the_same_network() -> None:
    first, second, other = (expressivity("gru", "copy", seed=seed, lengths=(40,)) for seed in (3, 3, 4))
    weights = [found.session.tensors["head.weight"] for found in (first, second, other)]
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])
    assert first.to_dict() | {"seconds": 0} == second.to_dict() | {"seconds": 0}


def test_accuracies_are_those_of_the_session() -> None:
    found = expressivity("mingru", "add", lengths=(30,))
    examples = TASKS["add"].examples(np.random.default_rng([0, 1, 30]), 50, 30, 30)
    rows = np.split(examples.sequences.values, 50)
    answers = np.concatenate([np.array(row) for row in found.session.predict(rows)])
    assert found.accuracy[30] == pytest.approx((answers == examples.targets).mean(), abs=1e-12)
    assert 0.5 <= found.chance[30] < 0.6


def test_unknown_names_and_lengths() -> None:
    with pytest.raises(UsageError, match="cell is 'lstmm'; choose one of rnn, lstm"):
        expressivity("lstmm", "parity")
    with pytest.raises(UsageError, match="task is 'coppy'; did you mean copy"):
        expressivity("lstm", "coppy")
    with pytest.raises(UsageError, match="lengths are \\(0,\\)"):
        expressivity("lstm", "parity", lengths=(0,))
