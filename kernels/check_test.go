package kernels_test

import (
	"strings"
	"testing"

	"bedside/kernels"
)

// buf is a buffer of that many bytes, somewhere.
func buf(bytes int) kernels.Buffer { return kernels.Buffer{Address: 64, Bytes: uint32(bytes)} }

func matrix(rows, columns int) kernels.Matrix {
	return kernels.Matrix{Buffer: buf(4 * rows * columns), Rows: rows, Columns: columns}
}

func quantized(rows, columns int) kernels.Quantized {
	return kernels.Quantized{Buffer: buf(rows * columns), Rows: rows, Columns: columns}
}

func norm(columns int) kernels.Norm {
	return kernels.Norm{Gamma: buf(4 * columns), Beta: buf(4 * columns), Epsilon: 1e-12}
}

// Sound operations, each on 6 rows of 12 columns.
func embed() kernels.Embed {
	return kernels.Embed{
		Tokens: buf(24), Places: buf(24), Kinds: buf(24),
		Word:      kernels.Table{Values: buf(12 * 9), Scales: buf(4 * 9), Rows: 9, Columns: 12},
		Positions: kernels.Table{Values: buf(4 * 12 * 6), Rows: 6, Columns: 12},
		Types:     kernels.Table{Values: buf(4 * 12 * 2), Rows: 2, Columns: 12},
		Norm:      norm(12), Out: matrix(6, 12),
	}
}

func normalize() kernels.Normalize {
	return kernels.Normalize{In: matrix(6, 12), Norm: norm(12), Out: matrix(6, 12), Multiplier: buf(48), Quantized: quantized(6, 12)}
}

func quantize() kernels.Quantize {
	return kernels.Quantize{In: matrix(6, 12), Activation: kernels.GELU, Multiplier: buf(48), Out: quantized(6, 12)}
}

func linear() kernels.Linear {
	w := kernels.Packed{Weights: buf(24 * 16), Scales: buf(96), Sums: buf(96), In: 12, Out: 20}
	return kernels.Linear{In: quantized(6, 12), Weights: w, Bias: buf(96), Residual: matrix(6, 20), Out: matrix(6, 20)}
}

func linearFloat() kernels.LinearFloat {
	w := kernels.Panels{Weights: buf(24 * 12 * 4), In: 12, Out: 20}
	return kernels.LinearFloat{In: matrix(6, 12), Weights: w, Bias: buf(96), Residual: matrix(6, 20), Out: matrix(6, 20)}
}

func attention() kernels.Attention {
	return kernels.Attention{QKV: matrix(6, 36), Heads: 3, Sequences: []kernels.Sequence{{0, 4, 3}, {4, 2, 2}}, Out: matrix(6, 12)}
}

func pool() kernels.Pool {
	return kernels.Pool{In: matrix(6, 12), Sequences: []kernels.Sequence{{0, 4, 3}, {4, 2, 2}}, Out: matrix(2, 12)}
}

func activate() kernels.Activate {
	return kernels.Activate{Activation: kernels.Tanh, InOut: matrix(6, 12)}
}

// with is op after a change.
func with[O kernels.Op](op O, change func(o *O)) kernels.Op {
	change(&op)
	return op
}

func TestCheckAcceptsSoundOperations(t *testing.T) {
	err := kernels.Check([]kernels.Op{
		embed(), normalize(), quantize(), linear(), linearFloat(), attention(), activate(), pool(),
		kernels.Widen{In: buf(10), Out: buf(20)},
		with(normalize(), func(o *kernels.Normalize) { o.Multiplier, o.Quantized = kernels.Buffer{}, kernels.Quantized{} }),
		with(quantize(), func(o *kernels.Quantize) { o.Multiplier = kernels.Buffer{} }),
		with(linear(), func(o *kernels.Linear) { o.Residual = kernels.Matrix{} }),
		with(linearFloat(), func(o *kernels.LinearFloat) { o.Residual = kernels.Matrix{} }),
		with(attention(), func(o *kernels.Attention) { o.Sequences = nil }),
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCheckRefusesWhatDoesNotFit(t *testing.T) {
	type (
		e = kernels.Embed
		n = kernels.Normalize
		q = kernels.Quantize
		l = kernels.Linear
		f = kernels.LinearFloat
		a = kernels.Attention
		p = kernels.Pool
	)
	sequences := func(s ...kernels.Sequence) kernels.Op { return with(attention(), func(o *a) { o.Sequences = s }) }
	for _, c := range []struct {
		op   kernels.Op
		says string
	}{
		{nil, "nil"},
		{with(embed(), func(o *e) { o.Tokens.Bytes-- }), "tokens"},
		{with(embed(), func(o *e) { o.Places.Address++ }), "places"},
		{with(embed(), func(o *e) { o.Kinds = kernels.Buffer{} }), "kinds"},
		{with(embed(), func(o *e) { o.Word.Values.Bytes-- }), "word"},
		{with(embed(), func(o *e) { o.Word.Scales.Bytes -= 4 }), "word scales"},
		{with(embed(), func(o *e) { o.Word.Scales = kernels.Buffer{} }), "word"},
		{with(embed(), func(o *e) { o.Word.Columns = 11 }), "word"},
		{with(embed(), func(o *e) { o.Positions.Rows = 7 }), "positions"},
		{with(embed(), func(o *e) { o.Types = kernels.Table{} }), "types"},
		{with(embed(), func(o *e) { o.Norm.Beta = kernels.Buffer{} }), "beta"},
		{with(embed(), func(o *e) { o.Out.Rows = 0 }), "out"},
		{with(normalize(), func(o *n) { o.In.Bytes-- }), "in"},
		{with(normalize(), func(o *n) { o.Out = matrix(6, 13) }), "out"},
		{with(normalize(), func(o *n) { o.Norm.Gamma.Bytes = 44 }), "gamma"},
		{with(normalize(), func(o *n) { o.Multiplier.Bytes = 44 }), "multiplier"},
		{with(normalize(), func(o *n) { o.Quantized = quantized(6, 11) }), "quantized"},
		{with(normalize(), func(o *n) { o.Quantized.Bytes-- }), "quantized"},
		{with(quantize(), func(o *q) { o.In.Columns = -12 }), "in"},
		{with(quantize(), func(o *q) { o.Activation = 5 }), "activation 5"},
		{with(quantize(), func(o *q) { o.Multiplier.Address = 2 }), "multiplier"},
		{with(quantize(), func(o *q) { o.Out = kernels.Quantized{} }), "out"},
		{with(quantize(), func(o *q) { o.Out.Rows = 5 }), "quantized"},
		{with(linear(), func(o *l) { o.In = kernels.Quantized{} }), "in"},
		{with(linear(), func(o *l) { o.In.Bytes-- }), "in"},
		{with(linear(), func(o *l) { o.Weights.In = 13 }), "weights"},
		{with(linear(), func(o *l) { o.Weights.Out = 21 }), "weights"},
		{with(linear(), func(o *l) { o.Weights.Weights.Bytes-- }), "weights"},
		{with(linear(), func(o *l) { o.Weights.Scales.Bytes -= 4 }), "scales"},
		{with(linear(), func(o *l) { o.Weights.Sums.Bytes -= 4 }), "sums"},
		{with(linear(), func(o *l) { o.Bias.Bytes = 80 }), "bias"},
		{with(linear(), func(o *l) { o.Out = matrix(5, 20) }), "rows"},
		{with(linear(), func(o *l) { o.Residual = matrix(5, 20) }), "residual"},
		{with(linearFloat(), func(o *f) { o.In.Columns = 11 }), "weights"},
		{with(linearFloat(), func(o *f) { o.Weights.Weights.Bytes-- }), "weights"},
		{with(linearFloat(), func(o *f) { o.Bias = kernels.Buffer{} }), "bias"},
		{with(linearFloat(), func(o *f) { o.Residual = matrix(6, 19) }), "residual"},
		{with(linearFloat(), func(o *f) { o.Out.Bytes-- }), "out"},
		{with(linearFloat(), func(o *f) { o.In = matrix(7, 12) }), "rows"},
		{with(attention(), func(o *a) { o.Heads = 0 }), "heads"},
		{with(attention(), func(o *a) { o.Heads = 5 }), "heads"},
		{with(attention(), func(o *a) { o.QKV = matrix(6, 24) }), "qkv"},
		{with(attention(), func(o *a) { o.QKV.Bytes-- }), "qkv"},
		{sequences(kernels.Sequence{First: 0, Rows: 7, Keys: 7}), "sequence 0"},
		{sequences(kernels.Sequence{First: 0, Rows: 2, Keys: 2}, kernels.Sequence{First: 5, Rows: 2, Keys: 1}), "sequence 1"},
		{sequences(kernels.Sequence{First: -1, Rows: 2, Keys: 2}), "sequence 0"},
		{sequences(kernels.Sequence{First: 0, Rows: 0, Keys: 0}), "sequence 0"},
		{sequences(kernels.Sequence{First: 0, Rows: 2, Keys: 0}), "sequence 0"},
		{sequences(kernels.Sequence{First: 4, Rows: 2, Keys: 3}), "sequence 0"},
		{sequences(kernels.Sequence{First: 1, Rows: 1, Keys: 1<<63 - 1}), "sequence 0"},
		{sequences(kernels.Sequence{First: 1 << 62, Rows: 1 << 62, Keys: 1}), "sequence 0"},
		{with(pool(), func(o *p) { o.Sequences = nil }), "out"},
		{with(pool(), func(o *p) { o.Out = matrix(3, 12) }), "out"},
		{with(pool(), func(o *p) { o.Sequences[1].First = 5 }), "sequence 1"},
		{with(activate(), func(o *kernels.Activate) { o.Activation = 200 }), "activation 200"},
		{with(activate(), func(o *kernels.Activate) { o.InOut.Rows = 1 << 29 }), "in-out"},
		{kernels.Widen{}, "widen"},
		{kernels.Widen{In: buf(3), Out: buf(6)}, "widen"},
		{kernels.Widen{In: buf(4), Out: buf(4)}, "widen"},
		{kernels.Widen{In: kernels.Buffer{Address: 64, Bytes: 1 << 31}, Out: buf(0)}, "widen"},
	} {
		err := kernels.Check([]kernels.Op{activate(), c.op})
		if err == nil {
			t.Errorf("%T %+v is accepted, want an error about %s", c.op, c.op, c.says)
		} else if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "operation 1") {
			t.Errorf("%T: %q does not say %q and operation 1", c.op, err, c.says)
		}
	}
}

// TestCheckSurvivesHugeShapes: products of extents must not overflow into small ones.
func TestCheckSurvivesHugeShapes(t *testing.T) {
	const most = 1 << 28
	small := kernels.Matrix{Buffer: buf(64), Rows: most, Columns: most}
	q := kernels.Quantized{Buffer: buf(64), Rows: most, Columns: most}
	for _, op := range []kernels.Op{
		kernels.Activate{InOut: small},
		kernels.Quantize{In: small, Out: q},
		kernels.Linear{In: q, Weights: kernels.Packed{Weights: buf(64), Scales: buf(64), Sums: buf(64), In: most, Out: most}, Bias: buf(64), Out: small},
		kernels.LinearFloat{In: small, Weights: kernels.Panels{Weights: buf(64), In: most, Out: most}, Bias: buf(64), Out: small},
		kernels.Attention{QKV: small, Heads: 1, Out: small},
	} {
		if kernels.Check([]kernels.Op{op}) == nil {
			t.Errorf("%T of 2^28 × 2^28 in 64 bytes is accepted", op)
		}
	}
}
