package reference

import "bedside/kernels"

// panelDot are the sums of x[k] * panel[k][n] over all k, in that order, for the outputs
// n of a panel [len(x)][PanelWidth]. In float64, products of two float32 are exact.
func panelDot[A int32 | float64, W int8 | float64](x []A, panel []W) [kernels.PanelWidth]A {
	var s0, s1, s2, s3, s4, s5, s6, s7 A
	for k, v := range x {
		w := (*[kernels.PanelWidth]W)(panel[k*kernels.PanelWidth:])
		s0 += v * A(w[0])
		s1 += v * A(w[1])
		s2 += v * A(w[2])
		s3 += v * A(w[3])
		s4 += v * A(w[4])
		s5 += v * A(w[5])
		s6 += v * A(w[6])
		s7 += v * A(w[7])
	}
	return [kernels.PanelWidth]A{s0, s1, s2, s3, s4, s5, s6, s7}
}

// linear computes, for row r of In and output n,
//
//	sum        = Σ q[r][k]*w[n][k] - zero[r]*Sums[n]                          in int32
//	Out[r][n]  = sum * (scale[r]*Scales[n]) + Bias[n] + Residual[r][n]        in float64, rounded once
//
// with In [rows][in], Weights [out][in] as packed, Out and Residual [rows][out].
func (d *Device) linear(o kernels.Linear) {
	q, rowScales, zeros := d.quantized(o.In)
	outs := kernels.Padded(o.Weights.Out, kernels.PanelWidth)
	scales, bias := d.floats(o.Weights.Scales, outs), d.floats(o.Bias, outs)
	sums := d.ints(o.Weights.Sums, outs)
	d.panels(o.Weights.Out, func(first, width int) {
		panel := d.unpack(o.Weights, first/kernels.PanelWidth)
		x := make([]int32, o.In.Columns)
		for r := range o.In.Rows {
			for k, v := range q[r*o.In.Columns:][:o.In.Columns] {
				x[k] = int32(v)
			}
			dots := panelDot(x, panel)
			for i := range width {
				n := first + i
				sum := dots[i] - zeros[r]*sums[n]
				scale := float64(rowScales[r]) * float64(scales[n])
				d.putResult(o.Out, o.Residual, r, n, float64(float64(sum)*scale)+float64(bias[n]))
			}
		}
	})
}

// unpack is panel p of int8 weights as [in][PanelWidth].
func (d *Device) unpack(w kernels.Packed, p int) []int8 {
	const width, group = kernels.PanelWidth, kernels.GroupDepth
	bytes := width * kernels.Padded(w.In, kernels.PackedDepth)
	packed := d.bytes(w.Weights, (p+1)*bytes)[p*bytes:]
	panel := make([]int8, w.In*width)
	for i := range panel {
		k, n := i/width, i%width
		panel[i] = int8(packed[(k/group*width+n)*group+k%group])
	}
	return panel
}

// linearFloat computes Out[r][n] = Σ In[r][k]*w[n][k] + Bias[n] + Residual[r][n] in
// float64, rounded once, with In [rows][in], Weights [out][in] in panels, Out and
// Residual [rows][out].
func (d *Device) linearFloat(o kernels.LinearFloat) {
	in := d.floats(o.In.Buffer, o.In.Rows*o.In.Columns)
	bias := d.floats(o.Bias, kernels.Padded(o.Weights.Out, kernels.PanelWidth))
	d.panels(o.Weights.Out, func(first, width int) {
		elements := o.Weights.In * kernels.PanelWidth
		panel := make([]float64, elements)
		for i := range panel {
			panel[i] = float64(d.float(o.Weights.Weights, first/kernels.PanelWidth*elements+i))
		}
		x := make([]float64, o.In.Columns)
		for r := range o.In.Rows {
			for k, v := range in[r*o.In.Columns:][:o.In.Columns] {
				x[k] = float64(v)
			}
			dots := panelDot(x, panel)
			for i := range width {
				d.putResult(o.Out, o.Residual, r, first+i, dots[i]+float64(bias[first+i]))
			}
		}
	})
}

// putResult stores element [r][n] of a dense layer, adding the residual where there is one.
func (d *Device) putResult(out, residual kernels.Matrix, r, n int, value float64) {
	at := r*out.Columns + n
	if residual.Bytes != 0 {
		value += float64(d.float(residual.Buffer, at))
	}
	d.putFloat(out.Buffer, at, float32(value))
}

// panels calls f for each panel of the outputs, with its first output and how many of
// its outputs there are, several at once.
func (d *Device) panels(outputs int, f func(first, width int)) {
	parallel(kernels.Padded(outputs, kernels.PanelWidth)/kernels.PanelWidth, func(p int) {
		first := p * kernels.PanelWidth
		f(first, min(kernels.PanelWidth, outputs-first))
	})
}
