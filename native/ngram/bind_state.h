// `NgramState` of timesteps._core: what an n-gram model remembers, as a plain value of Python.
//
// It equals the tuple of its words, the last one last, and has its hash, its length and its items; besides, it has the
// weights of backing off, so that going on from it looks nothing up again. It is never changed; it can be copied and
// pickled. A type of CPython's own, because making one has to cost little more than memory for it.
#pragma once

#include <nanobind/nanobind.h>

#include "query.h"

namespace timesteps {

void bind_ngram_state(nanobind::module_& module);

/// A state to be filled in, through `state`, before anybody sees it.
nanobind::object new_state_object(NgramQuery::State*& state);

inline nanobind::object state_object(const NgramQuery::State& value) {
    NgramQuery::State* state = nullptr;
    nanobind::object made = new_state_object(state);
    *state = value;
    return made;
}

/// The state in an `NgramState`; null for anything else.
const NgramQuery::State* state_of(nanobind::handle object);

}  // namespace timesteps
