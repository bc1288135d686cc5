package reference

import (
	"fmt"
	"math"

	"bedside/kernels"
)

// embed computes Out[r] = layer norm of Word[Tokens[r]] + Positions[Places[r]] +
// Types[Kinds[r]]: the sum in float64, rounded once before the norm.
func (d *Device) embed(o kernels.Embed) error {
	rows := o.Out.Rows
	gamma, beta := d.floats(o.Norm.Gamma, o.Out.Columns), d.floats(o.Norm.Beta, o.Out.Columns)
	parts := []struct {
		what  string
		ids   []int32
		table kernels.Table
	}{
		{"token", d.ints(o.Tokens, rows), o.Word},
		{"place", d.ints(o.Places, rows), o.Positions},
		{"kind", d.ints(o.Kinds, rows), o.Types},
	}
	sum, row := make([]float64, o.Out.Columns), make([]float32, o.Out.Columns)
	for r := range rows {
		clear(sum)
		for _, p := range parts {
			id := int(p.ids[r])
			if id < 0 || id >= p.table.Rows {
				return fmt.Errorf("row %d: %s %d does not lie in a table of %d rows", r, p.what, id, p.table.Rows)
			}
			d.addEmbedding(sum, p.table, id)
		}
		for c, x := range sum {
			row[c] = float32(x)
		}
		Normalize(row, row, gamma, beta, o.Norm.Epsilon)
		d.putRow(o.Out, r, row)
	}
	return nil
}

// addEmbedding adds row id of a table, scale * q where it is int8.
func (d *Device) addEmbedding(sum []float64, t kernels.Table, id int) {
	if t.Scales.Bytes == 0 {
		for c := range sum {
			sum[c] += float64(d.float(t.Values, id*t.Columns+c))
		}
		return
	}
	scale := float64(d.float(t.Scales, id))
	for c, q := range d.bytes(t.Values, (id+1)*t.Columns)[id*t.Columns:] {
		sum[c] += scale * float64(int8(q))
	}
}

// normalize is Normalize of each row, and Quantize of what it answers.
func (d *Device) normalize(o kernels.Normalize) {
	gamma, beta := d.floats(o.Norm.Gamma, o.In.Columns), d.floats(o.Norm.Beta, o.In.Columns)
	multiplier := d.multiplier(o.Multiplier, o.In.Columns)
	row := make([]float32, o.In.Columns)
	for r := range o.In.Rows {
		d.row(row, o.In, r)
		Normalize(row, row, gamma, beta, o.Norm.Epsilon)
		d.putRow(o.Out, r, row)
		if o.Quantized.Bytes != 0 {
			d.quantizeRow(o.Quantized, r, row, multiplier)
		}
	}
}

// quantize is Quantize of Activation(In) * Multiplier, row by row; the activation is
// rounded to float32 before it is multiplied, and so is the product.
func (d *Device) quantize(o kernels.Quantize) {
	multiplier := d.multiplier(o.Multiplier, o.In.Columns)
	parallel(o.In.Rows, func(r int) {
		row := make([]float32, o.In.Columns)
		d.row(row, o.In, r)
		for c, x := range row {
			row[c] = Activate(o.Activation, x)
		}
		d.quantizeRow(o.Out, r, row, multiplier)
	})
}

// multiplier is the factors of columns, nil where there are none.
func (d *Device) multiplier(b kernels.Buffer, columns int) []float32 {
	if b.Bytes == 0 {
		return nil
	}
	return d.floats(b, columns)
}

func (d *Device) quantizeRow(to kernels.Quantized, r int, row, multiplier []float32) {
	for c, m := range multiplier {
		row[c] = float32(row[c] * m)
	}
	heads := 2 * 4 * to.Rows
	q := d.bytes(to.Buffer, heads+(r+1)*to.Columns)[heads+r*to.Columns:]
	scale, zero := Quantize(q, row)
	d.putFloat(to.Buffer, 2*r, scale)
	d.putInt(to.Buffer, 2*r+1, zero)
}

// activate is Activate of each element.
func (d *Device) activate(o kernels.Activate) {
	parallel(o.InOut.Rows, func(r int) {
		for c := range o.InOut.Columns {
			at := r*o.InOut.Columns + c
			d.putFloat(o.InOut.Buffer, at, Activate(o.Activation, d.float(o.InOut.Buffer, at)))
		}
	})
}

// pool is the first row of each sequence, or the mean of its first Keys rows in float64.
func (d *Device) pool(o kernels.Pool) {
	row, out, sum := make([]float32, o.In.Columns), make([]float32, o.In.Columns), make([]float64, o.In.Columns)
	for i, s := range o.Sequences {
		if !o.Mean {
			d.row(row, o.In, s.First)
			d.putRow(o.Out, i, row)
			continue
		}
		clear(sum)
		for r := range s.Keys {
			d.row(row, o.In, s.First+r)
			for c, x := range row {
				sum[c] += float64(x)
			}
		}
		for c, x := range sum {
			out[c] = float32(x / float64(s.Keys))
		}
		d.putRow(o.Out, i, out)
	}
}

// widen is Half of each element.
func (d *Device) widen(o kernels.Widen) {
	in := d.bytes(o.In, int(o.In.Bytes))
	for i := range len(in) / 2 {
		d.putFloat(o.Out, i, Half(uint16(in[2*i])|uint16(in[2*i+1])<<8))
	}
}

// Half is the number that 16 bits of IEEE 754 binary16 stand for, exactly.
func Half(bits uint16) float32 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var x float64
	switch exponent {
	case 0:
		x = math.Ldexp(fraction, -24)
	case 31:
		x = math.Inf(1)
		if fraction != 0 {
			x = math.NaN()
		}
	default:
		x = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 != 0 {
		x = -x
	}
	return float32(x)
}
