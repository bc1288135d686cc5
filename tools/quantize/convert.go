// Package quantize turns a checkpoint into the tensors of an encoder bundle: int8 smoothed
// on calibration text, half precision or float32.
//
// The checkpoint is read a layer at a time. Each layer is run in float32 on the calibration
// text before it is rounded, so that its factors are chosen on the inputs it will meet; the
// same run answers what the unrounded model makes of the probes.
package quantize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"bedside/tools/checkpoint"
	"bedside/weights"
)

// Options say how to convert.
type Options struct {
	Weights     string    // weights.Int8, Float16 or Float32
	Calibration [][]int32 // token ids with [CLS] and [SEP]; at least one, for Int8
	Probes      [][]int32 // the same

	Progress func(stage string, done, total int) // may be nil
}

// Result is a converted model.
type Result struct {
	Tensors []weights.Values
	Answers []Answer // of the checkpoint in float32, a probe each
	Fits    []Fit    // of the int8 layers
}

// Answer is what a model makes of one sequence of tokens.
type Answer struct {
	Pooled []float32 // what the head reads
	Logits []float32
}

// Fit says how well a dense layer's outputs survive int8, on calibration text that its
// smoothing was not fitted to.
type Fit struct {
	Name    string  `json:"name"`
	Alpha   float64 `json:"alpha"`   // of the smoothing that was chosen
	Error   float64 `json:"error"`   // with that smoothing; relative, as a root of mean squares
	Without float64 `json:"without"` // likewise, without any
}

// Convert makes the tensors of weights/encoder.go. Errors name the tensor.
func Convert(ctx context.Context, m *checkpoint.Model, o Options) (*Result, error) {
	if o.Weights == weights.Int8 && len(o.Calibration) == 0 {
		return nil, errors.New("int8 weights need calibration text")
	}
	c := &converter{model: m, options: o, from: reader{model: m}, result: &Result{}}
	c.add(weights.Bytes(weights.EncoderVocabulary, m.Tokenizer.Vocabulary))
	c.embed()
	for n := range m.Config.Layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress("converting", n, m.Config.Layers)
		}
		c.layer(n)
	}
	c.head()
	if o.Progress != nil {
		o.Progress("converting", m.Config.Layers, m.Config.Layers)
	}
	if c.from.err != nil {
		return nil, c.from.err
	}
	return c.result, nil
}

// converter is a conversion under way; from.err ends it.
type converter struct {
	model   *checkpoint.Model
	options Options
	from    reader
	x       batch // calibration, then probes
	result  *Result
}

func (c *converter) add(tensors ...weights.Values) {
	c.result.Tensors = append(c.result.Tensors, tensors...)
}

// fail keeps the first error, about a tensor.
func (c *converter) fail(name string, err error) {
	if c.from.err == nil && err != nil {
		c.from.err = fmt.Errorf("tensor %s: %w", name, err)
	}
}

// embed adds the tables and makes the first activations.
func (c *converter) embed() {
	e, hidden := c.from.embeddings(), c.model.Config.Hidden
	if c.from.err != nil {
		return
	}
	c.table(weights.EncoderWord, e.word, hidden)
	c.table(weights.EncoderPosition, e.position, hidden)
	c.table(weights.EncoderType, e.kind, hidden)
	c.norm(weights.EncoderNorm, e.norm)
	c.x = e.embed(slices.Concat(c.options.Calibration, c.options.Probes), hidden)
}

// layer adds one encoder layer and runs it.
func (c *converter) layer(n int) {
	l := c.from.layer(n)
	if c.from.err != nil {
		return
	}
	t := l.forward(&c.x, c.model.Config.Heads, c.model.Config.Activation)
	name := func(part string) string { return weights.LayerTensor(n, part) }
	if c.options.Weights == weights.Int8 {
		c.int8Attention(name, l, t)
		c.int8(name("up"), l.up, c.calibration(t.up, l.up.in))
		c.int8(name("down"), l.down, c.calibration(t.down, l.down.in))
	} else {
		c.float(name("qkv"), l.qkv, c.options.Weights)
		c.float(name("output"), l.output, c.options.Weights)
		c.float(name("up"), l.up, c.options.Weights)
		c.float(name("down"), l.down, c.options.Weights)
	}
	c.norm(name("output.norm"), l.outputNorm)
	c.norm(name("down.norm"), l.downNorm)
}

// int8Attention adds the layers around attention. What attention mixes are the rows of
// values, channel by channel, so that the factors of its outputs can go into V instead of
// a multiplication.
func (c *converter) int8Attention(name func(string) string, l layer, t taps) {
	in := c.fit(name("qkv"), l.qkv, c.calibration(t.qkv, l.qkv.in))
	out := c.fit(name("output"), l.output, c.calibration(t.output, l.output.in))
	if c.from.err != nil {
		return
	}
	qkv := in.apply(out.divideOutputs(in.shifted(l.qkv), 2*l.output.in))
	c.add(qkv.int8Tensors(name("qkv"), inverse(in.factors))...)
	c.add(out.apply(out.shifted(l.output)).int8Tensors(name("output"), ones(l.output.in))...)
}

// int8 adds a dense layer that reads x on calibration text.
func (c *converter) int8(name string, d dense, x []float32) {
	s := c.fit(name, d, x)
	if c.from.err != nil {
		return
	}
	c.add(s.apply(s.shifted(d)).int8Tensors(name, inverse(s.factors))...)
}

// calibration are the rows of x that come from calibration text.
func (c *converter) calibration(x []float32, columns int) []float32 {
	return x[:c.x.begin[len(c.options.Calibration)]*columns]
}

// fit chooses the smoothing of a dense layer that reads x on calibration text.
func (c *converter) fit(name string, d dense, x []float32) smoothing {
	f, err := smooth(x, d)
	c.fail(name, err)
	c.result.Fits = append(c.result.Fits, Fit{name, f.alpha, f.after, f.before})
	return f.smoothing
}

// head pools, adds pooler and head (zeros where the model has none), and answers the probes.
func (c *converter) head() {
	var pooler dense
	if c.model.Pooler {
		pooler = c.from.dense("pooler.dense")
	}
	head := dense{weight: make([]float32, c.model.Config.Hidden), bias: make([]float32, 1), in: c.model.Config.Hidden, out: 1}
	if !c.model.NoHead {
		head = c.from.dense("classifier")
	}
	if c.from.err != nil {
		return
	}
	pooled := c.x.pool(c.model.Pool)
	if c.model.Pooler {
		if c.options.Weights == weights.Int8 {
			c.int8(weights.EncoderPooler, pooler, pooled[:len(c.options.Calibration)*pooler.in])
		} else {
			c.float(weights.EncoderPooler, pooler, c.options.Weights)
		}
		pooled = pooler.apply(pooled)
		tanh(pooled)
	}
	format := c.options.Weights
	if format == weights.Int8 {
		format = weights.Float32
	}
	c.float(weights.Head, head, format)
	logits := head.apply(pooled)
	for i := len(c.options.Calibration); i < len(c.x.begin)-1; i++ {
		a := Answer{pooled[i*head.in:][:head.in], logits[i*head.out:][:head.out]}
		if !a.finite() {
			c.fail(weights.Head, errors.New("the answer to a probe overflows float32; the weights are damaged"))
		}
		c.result.Answers = append(c.result.Answers, a)
	}
}

func (a Answer) finite() bool {
	for _, v := range slices.Concat(a.Pooled, a.Logits) {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

func (c *converter) norm(name string, n norm) {
	c.add(weights.Float32s(name+weights.Gamma, n.gamma, len(n.gamma)), weights.Float32s(name+weights.Beta, n.beta, len(n.beta)))
}

// float adds a dense layer in half precision or float32.
func (c *converter) float(name string, d dense, format string) {
	tensors, _, err := d.floatTensors(name, format)
	c.fail(name+weights.Weight, err)
	c.add(tensors...)
}

// table adds a table of embeddings in the format of the weights.
func (c *converter) table(name string, values []float32, columns int) {
	rows := len(values) / columns
	switch c.options.Weights {
	case weights.Int8:
		q, scales := int8Rows(values, columns)
		c.add(weights.Int8s(name, q, rows, columns), weights.Float32s(name+weights.Scale, scales, rows))
	case weights.Float16:
		bits, err := halves(values)
		c.fail(name, err)
		if err == nil {
			c.add(halfTensor(name, bits, rows, columns))
		}
	default:
		c.add(weights.Float32s(name, values, rows, columns))
	}
}
