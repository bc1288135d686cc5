package weights

import "strconv"

// Weight formats of an encoder.
const (
	Int8    = "int8"
	Float16 = "float16"
	Float32 = "float32"
)

// Words of the encoder section, each with the field it stands in.
const (
	BERT       = "bert"        // architecture
	GELU       = "gelu"        // activation
	GELUTanh   = "gelu_tanh"   // activation
	ReLU       = "relu"        // activation
	PoolFirst  = "first"       // pool
	PoolMean   = "mean"        // pool
	WordPiece  = "wordpiece"   // tokenizer.kind
	MeanPooled = "mean-pooled" // window.combine
	MeanLogits = "mean-logits" // window.combine
	MaxLogits  = "max-logits"  // window.combine
)

// Tensors of an encoder bundle. H is hidden, I intermediate; ceil8(n) is n rounded up
// to a multiple of 8, and so on.
//
//	encoder.vocabulary                  U8 [bytes], a token a line, as vocab.txt
//	encoder.word, .position, .type      [rows, H]
//	encoder.norm.gamma, .beta           F32 [H]
//	encoder.N.qkv                       dense layer, H to 3H: query, key, value
//	encoder.N.output                    dense layer, H to H
//	encoder.N.output.norm.gamma, .beta  F32 [H]
//	encoder.N.up                        dense layer, H to I
//	encoder.N.down                      dense layer, I to H
//	encoder.N.down.norm.gamma, .beta    F32 [H]
//	encoder.pooler                      dense layer, H to H, if there is a pooler
//	head                                dense layer, H to labels, never int8
//
// An embedding table is F32 or F16, or I8 with a tensor NAME.scale, F32 [rows].
//
// A dense layer of In inputs and Out outputs is the tensors NAME.weight and NAME.bias, F32
// [ceil8(Out)], and, for int8, NAME.scale (F32 [ceil8(Out)]), NAME.sums (I32 [ceil8(Out)])
// and NAME.multiplier (F32 [In], what inputs are multiplied by before they are quantized;
// the weights are divided by it). Weights have the layouts of kernels.Packed, I8
// [ceil8(Out)/8, ceil16(In)/4, 8, 4], or kernels.Panels, F32 or F16 [ceil8(Out)/8, In, 8].
const (
	EncoderVocabulary = "encoder.vocabulary"
	EncoderWord       = "encoder.word"
	EncoderPosition   = "encoder.position"
	EncoderType       = "encoder.type"
	EncoderNorm       = "encoder.norm"
	EncoderPooler     = "encoder.pooler"
	Head              = "head"
)

// encoderPrefix begins the names of all of an encoder's tensors but its head's.
const encoderPrefix = "encoder."

// Suffixes of tensor names.
const (
	Weight     = ".weight"
	Bias       = ".bias"
	Scale      = ".scale"
	Sums       = ".sums"
	Multiplier = ".multiplier"
	Gamma      = ".gamma"
	Beta       = ".beta"
)

// LayerTensor names a dense layer of encoder layer n: "qkv", "output", "up" or "down".
func LayerTensor(n int, name string) string { return "encoder." + strconv.Itoa(n) + "." + name }
