package kernels

import "fmt"

// Check refuses a program whose operands do not fit each other or their buffers, so
// that a device can trust the shapes.
func Check(program []Op) error {
	for i, op := range program {
		if op == nil {
			return fmt.Errorf("operation %d is nil", i)
		}
		if err := op.check(); err != nil {
			return fmt.Errorf("operation %d, %T: %w", i, op, err)
		}
	}
	return nil
}

func (o Embed) check() error {
	return first(
		o.Out.fits("out"),
		holds("tokens", o.Tokens, o.Out.Rows, 4),
		holds("places", o.Places, o.Out.Rows, 4),
		holds("kinds", o.Kinds, o.Out.Rows, 4),
		o.Word.fits("word", o.Out.Columns),
		o.Positions.fits("positions", o.Out.Columns),
		o.Types.fits("types", o.Out.Columns),
		o.Norm.fits(o.Out.Columns),
	)
}

func (o Normalize) check() error {
	return first(
		o.In.fits("in"), o.Out.fits("out"), same("out", o.In.Rows, o.In.Columns, o.Out.Rows, o.Out.Columns),
		o.Norm.fits(o.In.Columns),
		optional("multiplier", o.Multiplier, o.In.Columns, 4),
		o.Quantized.optional(o.In),
	)
}

func (o Quantize) check() error {
	return first(
		o.In.fits("in"),
		o.Activation.known(),
		optional("multiplier", o.Multiplier, o.In.Columns, 4),
		holds("out", o.Out.Buffer, 1, 1),
		o.Out.optional(o.In),
	)
}

func (o Linear) check() error {
	outs := Padded(o.Weights.Out, PanelWidth)
	return first(
		positive("in", o.In.Rows, o.In.Columns),
		holds("in", o.In.Buffer, o.In.Rows, o.In.Columns),
		same("weights", o.Weights.In, o.Weights.Out, o.In.Columns, o.Out.Columns),
		holds("weights", o.Weights.Weights, outs, Padded(o.Weights.In, PackedDepth)),
		holds("scales", o.Weights.Scales, outs, 4),
		holds("sums", o.Weights.Sums, outs, 4),
		holds("bias", o.Bias, outs, 4),
		o.Out.fits("out"),
		same("rows", o.In.Rows, 1, o.Out.Rows, 1),
		o.Residual.optional("residual", o.Out),
	)
}

func (o LinearFloat) check() error {
	outs := Padded(o.Weights.Out, PanelWidth)
	return first(
		o.In.fits("in"),
		same("weights", o.Weights.In, o.Weights.Out, o.In.Columns, o.Out.Columns),
		holds("weights", o.Weights.Weights, outs*4, o.Weights.In),
		holds("bias", o.Bias, outs, 4),
		o.Out.fits("out"),
		same("rows", o.In.Rows, 1, o.Out.Rows, 1),
		o.Residual.optional("residual", o.Out),
	)
}

func (o Attention) check() error {
	if o.Heads < 1 || o.Out.Columns%o.Heads != 0 {
		return fmt.Errorf("%d columns do not divide into %d heads", o.Out.Columns, o.Heads)
	}
	return first(
		o.QKV.fits("qkv"), o.Out.fits("out"),
		same("qkv", o.QKV.Rows, o.QKV.Columns, o.Out.Rows, 3*o.Out.Columns),
		within(o.Sequences, o.Out.Rows),
	)
}

func (o Activate) check() error { return first(o.InOut.fits("in-out"), o.Activation.known()) }

func (o Pool) check() error {
	return first(
		o.In.fits("in"), o.Out.fits("out"),
		same("out", o.Out.Rows, o.Out.Columns, len(o.Sequences), o.In.Columns),
		within(o.Sequences, o.In.Rows),
	)
}

func (o Widen) check() error {
	if o.In.Bytes == 0 || o.In.Bytes%2 != 0 || uint64(o.Out.Bytes) != 2*uint64(o.In.Bytes) {
		return fmt.Errorf("%d bytes do not widen to %d", o.In.Bytes, o.Out.Bytes)
	}
	return nil
}

func (m Matrix) fits(what string) error {
	return first(positive(what, m.Rows, m.Columns), holds(what, m.Buffer, m.Rows*4, m.Columns))
}

func (m Matrix) optional(what string, like Matrix) error {
	if m.Bytes == 0 {
		return nil
	}
	return first(m.fits(what), same(what, m.Rows, m.Columns, like.Rows, like.Columns))
}

func (q Quantized) optional(of Matrix) error {
	if q.Bytes == 0 {
		return nil
	}
	return first(holds("quantized", q.Buffer, q.Rows, q.Columns), same("quantized", q.Rows, q.Columns, of.Rows, of.Columns))
}

func (t Table) fits(what string, columns int) error {
	width := 1
	if t.Scales.Bytes == 0 {
		width = 4
	}
	return first(
		positive(what, t.Rows, t.Columns),
		same(what, t.Rows, t.Columns, t.Rows, columns),
		holds(what, t.Values, t.Rows*width, t.Columns),
		optional(what+" scales", t.Scales, t.Rows, 4),
	)
}

func (n Norm) fits(columns int) error {
	return first(holds("gamma", n.Gamma, columns, 4), holds("beta", n.Beta, columns, 4))
}

func (a Activation) known() error {
	if a > Tanh {
		return fmt.Errorf("no activation %d", a)
	}
	return nil
}

func within(sequences []Sequence, rows int) error {
	for i, s := range sequences {
		if s.First < 0 || s.Rows < 1 || s.First > rows-s.Rows || s.Keys < 1 || s.First > rows-s.Keys {
			return fmt.Errorf("sequence %d, %d rows and %d keys from row %d on, does not fit %d rows", i, s.Rows, s.Keys, s.First, rows)
		}
	}
	return nil
}

// maxExtent bounds rows and columns, so that no product of them overflows.
const maxExtent = 1 << 28

func positive(what string, rows, columns int) error {
	if rows < 1 || columns < 1 || rows > maxExtent || columns > maxExtent {
		return fmt.Errorf("%s is %d × %d", what, rows, columns)
	}
	return nil
}

func holds(what string, b Buffer, count, width int) error {
	if uint64(b.Bytes) < uint64(count)*uint64(width) || b.Address%4 != 0 {
		return fmt.Errorf("%s: buffer of %d bytes at %d, want %d", what, b.Bytes, b.Address, uint64(count)*uint64(width))
	}
	return nil
}

func optional(what string, b Buffer, count, width int) error {
	if b.Bytes == 0 {
		return nil
	}
	return holds(what, b, count, width)
}

func same(what string, rows, columns, wantRows, wantColumns int) error {
	if rows != wantRows || columns != wantColumns {
		return fmt.Errorf("%s: %d × %d does not fit %d × %d", what, rows, columns, wantRows, wantColumns)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
