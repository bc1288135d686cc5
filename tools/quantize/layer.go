package quantize

import (
	"fmt"

	"bedside/tools/checkpoint"
)

// dense is a dense layer: weight [out][in], row after row, and bias [out].
type dense struct {
	weight, bias []float32
	in, out      int
}

// norm is a layer norm's parameters.
type norm struct {
	gamma, beta []float32
	epsilon     float64
}

// layer is one encoder layer.
type layer struct {
	qkv, output, up, down dense // qkv is query, key and value, one below the other
	outputNorm, downNorm  norm
}

// embeddings are the tables, [rows][hidden], that of words cut to the tokenizer's tokens.
type embeddings struct {
	word, position, kind []float32
	norm                 norm
}

// reader reads parameters until one cannot be read, which is err.
type reader struct {
	model *checkpoint.Model
	err   error
}

func (r *reader) values(name string) []float32 {
	if r.err != nil {
		return nil
	}
	var v []float32
	v, r.err = r.model.Weights.Float32(name)
	return v
}

func (r *reader) dense(name string) dense {
	d := dense{weight: r.values(name + ".weight"), bias: r.values(name + ".bias")}
	if d.out = len(d.bias); d.out > 0 {
		d.in = len(d.weight) / d.out
	}
	return d
}

func (r *reader) norm(name string) norm {
	return norm{r.values(name + ".weight"), r.values(name + ".bias"), r.model.Config.Epsilon}
}

func (r *reader) embeddings() embeddings {
	e := embeddings{
		word:     r.values("embeddings.word_embeddings.weight"),
		position: r.values("embeddings.position_embeddings.weight"),
		kind:     r.values("embeddings.token_type_embeddings.weight"),
		norm:     r.norm("embeddings.LayerNorm"),
	}
	if r.err == nil {
		e.word = e.word[:r.model.Tokenizer.Tokens*r.model.Config.Hidden]
	}
	return e
}

func (r *reader) layer(n int) layer {
	name := fmt.Sprintf("encoder.layer.%d.", n)
	return layer{
		qkv: stack(
			r.dense(name+"attention.self.query"),
			r.dense(name+"attention.self.key"),
			r.dense(name+"attention.self.value")),
		output:     r.dense(name + "attention.output.dense"),
		up:         r.dense(name + "intermediate.dense"),
		down:       r.dense(name + "output.dense"),
		outputNorm: r.norm(name + "attention.output.LayerNorm"),
		downNorm:   r.norm(name + "output.LayerNorm"),
	}
}

// stack puts layers of the same inputs one below the other.
func stack(parts ...dense) dense {
	d := dense{in: parts[0].in}
	for _, p := range parts {
		d.weight = append(d.weight, p.weight...)
		d.bias = append(d.bias, p.bias...)
		d.out += p.out
	}
	return d
}
