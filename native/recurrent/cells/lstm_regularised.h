// Long short-term memory with peephole connections, layer norm of c', and zoneout of c, each where asked for, pointwise.
// Slots of a panel: i, f, g, o.
#pragma once

#include "lstm.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Type, int Width>
struct LstmRegularised : Lstm<Type, Width> {
    using T = Type;
    using V = Vector<T, Width>;
    static constexpr int W = Width, S = 4;
    static constexpr bool kRegularised = true;

    /// What belongs to a panel.
    struct Panel {
        T *written, *own;
        V weights[kOwns];

        Panel(const Regulars<T>& r, Index unit)
            : written(r.written + unit / W * r.written_stride), own(r.own + unit / W * r.own_stride) {
            for (int n = 0; n < kOwns; ++n) weights[n] = load<V>(r.weights + unit / W * r.weights_stride + n * W);
        }
    };

    static Index own_at(const Regulars<T>& r, int n) { return n / S * r.own_more + n % S * W; }

    /// The gates, and c' as they make it.
    [[gnu::noinline]] static void first_forward(const ForwardStep<T>& s, const T*, T*) {
        const Regulars<T>& more = *s.regulars;
        const Panel panel(more, s.unit);
        T *gates = s.gates, *written = panel.written;
        const T* c = s.c;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, c += W, written += W) {
            const V before = load<V>(c);
            V i = load<V>(gates), f = load<V>(gates + W), o = load<V>(gates + 3 * W);
            if (more.peephole) i += panel.weights[kPeepI] * before, f += panel.weights[kPeepF] * before;
            i = sigmoid<W>(i), f = sigmoid<W>(f);
            const V g = tanh<W>(load<V>(gates + 2 * W)), cell = f * before + i * g;
            if (more.peephole) o += panel.weights[kPeepO] * cell;
            store(gates, i), store(gates + W, f), store(gates + 2 * W, g), store(gates + 3 * W, sigmoid<W>(o));
            store(written, cell);
        }
    }

    /// h' and the new state.
    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        const Regulars<T>& more = *s.regulars;
        const Panel panel(more, s.unit);
        T *c = s.c, *h = s.h_out, *saved = s.saved_c;
        for (Index row = 0; row < s.rows; ++row, c += W, h += s.h_stride) {
            const V cell = load<V>(panel.written + row * W);
            V seen = cell;
            if (more.mean != nullptr)
                seen = (cell - more.mean[row]) * more.scale[row] * panel.weights[kGainC] + panel.weights[kBiasC];
            const V output = load<V>(s.gates + (row * S + 3) * W) * tanh<W>(seen);
            store(h, output);
            store_some(s.y[row] + s.unit, output, s.units);
            const V state = zoned<T, W>(more.zone, row, s.unit, load<V>(c), cell);
            store(c, state);
            if (saved != nullptr) {
                store(saved, state);
                saved += W;
            }
        }
    }

    /// o's, and the gradients of what tanh took, in slot 0; slot 1: c' as it left the norm.
    [[gnu::noinline]] static void first_backward(const BackwardStep<T>& s) {
        const Regulars<T>& more = *s.regulars;
        const Panel panel(more, s.unit);
        const T *gates = s.gates, *before = s.c_before, *dh = s.dh;
        T *dgates = s.dgates, *own = panel.own;
        for (Index row = 0; row < s.rows;
             ++row, gates += S * W, dgates += S * W, before += W, dh += s.h_stride, own += S * W) {
            const V o = load<V>(gates + 3 * W), grad = load<V>(dh);
            V seen = load<V>(gates + W) * load<V>(before) + load<V>(gates) * load<V>(gates + 2 * W);
            if (more.mean != nullptr) {
                const V normed = (seen - more.mean[row]) * more.scale[row];
                store(dgates + W, normed);
                seen = normed * panel.weights[kGainC] + panel.weights[kBiasC];
            }
            const V squashed = tanh<W>(seen), output = o * squashed, through = grad * o * (1 - squashed * squashed);
            store(dgates, through);
            store(dgates + 3 * W, grad * output * (1 - o));
            if (more.projected) store(own + own_at(more, kOwns), output);
            if (more.mean == nullptr) continue;
            store(own + own_at(more, kGainC), through * load<V>(dgates + W));
            store(own + own_at(more, kBiasC), through);
        }
    }

    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const Regulars<T>& more = *s.regulars;
        const Panel panel(more, s.unit);
        const T *gates = s.gates, *before = s.c_before;
        T *dgates = s.dgates, *dc = s.dc, *own = panel.own;
        for (Index row = 0; row < s.rows;
             ++row, gates += S * W, dgates += S * W, before += W, dc += W, own += S * W) {
            const V i = load<V>(gates), f = load<V>(gates + W), g = load<V>(gates + 2 * W), c = load<V>(before);
            const V d_o = load<V>(dgates + 3 * W);
            V through = load<V>(dgates), state = load<V>(dc);
            if (more.mean != nullptr)
                through = through * panel.weights[kGainC] * more.scale[row] - more.less[row] -
                          load<V>(dgates + W) * more.slope[row];
            const V stays = held<T, W>(more.zone, row, s.unit, state);
            through += state;
            if (more.peephole) through += panel.weights[kPeepO] * d_o;
            const V di = through * g * i * (1 - i), df = through * c * f * (1 - f);
            store(dgates, di);
            store(dgates + W, df);
            store(dgates + 2 * W, through * i * (1 - g * g));
            V earlier = through * f + stays;
            if (more.peephole) {
                earlier += panel.weights[kPeepI] * di + panel.weights[kPeepF] * df;
                store(own + own_at(more, kPeepI), di * c);
                store(own + own_at(more, kPeepF), df * c);
                store(own + own_at(more, kPeepO), d_o * (f * c + i * g));
            }
            store(dc, earlier);
        }
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
