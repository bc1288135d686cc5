package encoder

import (
	"slices"

	"bedside/kernels"
	"bedside/weights"
)

// workspace is the buffers of one batch; see New for their sizes. A buffer serves
// several steps: what is quantized is read at once, and queries, keys and values are
// over when the inner layer begins.
type workspace struct {
	tokens, places, kinds kernels.Buffer // int32 a row; kinds stay 0
	hidden, context       kernels.Buffer // float32 [rows][hidden]
	wide                  kernels.Buffer // float32 [rows][3 hidden] or [rows][intermediate]
	quantized             kernels.Buffer
	pooled, side          kernels.Buffer // float32 [windows][hidden]
	logits                kernels.Buffer // float32 [windows][labels]
}

// leastWindow is the tokens of the shortest window: [CLS], one of the note's, [SEP].
const leastWindow = 3

func (w *workspace) plan(p *plan, e *Encoder) {
	rows, hidden, inner := e.shape.Window.Tokens, e.shape.Hidden, e.shape.Intermediate
	windows := max(1, rows/leastWindow)
	p.room(4*rows, &w.tokens)
	p.room(4*rows, &w.places)
	p.room(4*rows, &w.kinds)
	p.room(4*rows*hidden, &w.hidden)
	p.room(4*rows*hidden, &w.context)
	p.room(4*rows*max(3*hidden, inner), &w.wide)
	p.room(e.device.QuantizedBytes(rows, max(hidden, inner)), &w.quantized)
	p.room(4*windows*hidden, &w.pooled)
	p.room(4*windows*hidden, &w.side)
	p.room(4*windows*e.labels, &w.logits)
}

// program is the operations of one batch under construction.
type program struct {
	ops       []kernels.Op
	quantized kernels.Buffer
	held      bool // quantized holds what the next dense layer reads
}

// compile makes the program for a batch whose windows are these rows. It answers where
// the pooled vectors, which the head reads, and the logits will lie, a row a window.
func (e *Encoder) compile(windows []kernels.Sequence) (ops []kernels.Op, pooled, logits kernels.Matrix) {
	s, n, h := &e.space, &e.network, e.shape.Hidden
	last := windows[len(windows)-1]
	rows := last.First + last.Rows
	p := &program{quantized: s.quantized}

	hidden, context := matrix(s.hidden, rows, h), matrix(s.context, rows, h)
	pooled, side := matrix(s.pooled, len(windows), h), matrix(s.side, len(windows), h)
	p.add(kernels.Embed{
		Tokens: s.tokens, Places: s.places, Kinds: s.kinds,
		Word: n.word, Positions: n.positions, Types: n.types, Norm: n.norm, Out: hidden,
	})
	for i := range n.layers {
		l := &n.layers[i]
		qkv := matrix(s.wide, rows, 3*h)
		p.dense(&l.qkv, hidden, kernels.Identity, qkv, kernels.Matrix{})
		attention := kernels.Attention{QKV: qkv, Heads: e.shape.Heads, Sequences: windows, Out: context}
		var next *dense
		if i+1 < len(n.layers) {
			next = &n.layers[i+1].qkv
			p.add(attention)
		} else if e.shape.Pool == weights.PoolFirst && !e.every {
			// First rows alone are read, and what follows goes row by row.
			attention.Sequences = firstRows(windows)
			p.add(attention,
				kernels.Pool{In: context, Sequences: windows, Out: side},
				kernels.Pool{In: hidden, Sequences: windows, Out: pooled})
			context, hidden = side, pooled
		} else {
			p.add(attention)
		}
		p.dense(&l.output, context, kernels.Identity, hidden, hidden)
		p.normalize(hidden, l.outputNorm, &l.up)
		inner := matrix(s.wide, hidden.Rows, e.shape.Intermediate)
		p.dense(&l.up, hidden, kernels.Identity, inner, kernels.Matrix{})
		p.dense(&l.down, inner, e.activation, hidden, hidden)
		p.normalize(hidden, l.downNorm, next)
	}
	if hidden.Buffer != pooled.Buffer {
		p.add(kernels.Pool{In: hidden, Sequences: windows, Mean: e.shape.Pool == weights.PoolMean, Out: pooled})
	}
	if e.shape.Pooler {
		p.dense(&n.pooler, pooled, kernels.Identity, side, kernels.Matrix{})
		p.add(kernels.Activate{Activation: kernels.Tanh, InOut: side})
		pooled = side
	}
	logits = matrix(s.logits, len(windows), e.labels)
	p.dense(&n.head, pooled, kernels.Identity, logits, kernels.Matrix{})
	return p.ops, pooled, logits
}

// firstRows is windows of which the first row alone asks.
func firstRows(windows []kernels.Sequence) []kernels.Sequence {
	firsts := slices.Clone(windows)
	for i := range firsts {
		firsts[i].Rows = 1
	}
	return firsts
}

func matrix(b kernels.Buffer, rows, columns int) kernels.Matrix {
	return kernels.Matrix{Buffer: b, Rows: rows, Columns: columns}
}

func (p *program) add(ops ...kernels.Op) { p.ops = append(p.ops, ops...) }

// dense adds out = d(activation(in)) + residual. The activation leaves in undefined.
func (p *program) dense(d *dense, in kernels.Matrix, activation kernels.Activation, out, residual kernels.Matrix) {
	if !d.integer() {
		if activation != kernels.Identity {
			p.add(kernels.Activate{Activation: activation, InOut: in})
		}
		p.add(kernels.LinearFloat{In: in, Weights: d.panels, Bias: d.bias, Residual: residual, Out: out})
		return
	}
	q := p.room(in)
	if !p.held {
		p.add(kernels.Quantize{In: in, Activation: activation, Multiplier: d.multiplier, Out: q})
	}
	p.held = false
	p.add(kernels.Linear{In: q, Weights: d.packed, Bias: d.bias, Residual: residual, Out: out})
}

// normalize adds the layer norm of m, in place, and quantizes it for the dense layer
// that comes next, if one does.
func (p *program) normalize(m kernels.Matrix, norm kernels.Norm, next *dense) {
	op := kernels.Normalize{In: m, Norm: norm, Out: m}
	if next != nil && next.integer() {
		op.Multiplier, op.Quantized = next.multiplier, p.room(m)
		p.held = true
	}
	p.add(op)
}

// room is where m is quantized to.
func (p *program) room(m kernels.Matrix) kernels.Quantized {
	return kernels.Quantized{Buffer: p.quantized, Rows: m.Rows, Columns: m.Columns}
}
