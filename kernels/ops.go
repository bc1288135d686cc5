package kernels

// Op is one operation of a program: Embed, Normalize, Quantize, Linear, LinearFloat,
// Attention, Activate, Pool or Widen.
type Op interface {
	check() error
}

// Matrix is Rows × Columns float32, row after row without gaps.
type Matrix struct {
	Buffer
	Rows, Columns int
}

// Quantized is Rows × Columns activations of 7 bits with a scale and a zero point for
// each row: value = scale * (q - zero), 0 ≤ q, zero ≤ 127. The layout is the device's
// own, Device.QuantizedBytes its size.
type Quantized struct {
	Buffer
	Rows, Columns int
}

// Packed is the int8 weights of a dense layer with In inputs and Out outputs: symmetric,
// -127 to 127, one scale an output, weight = scale * q.
//
// Weights is int8 [ceil(Out/8)][4*ceil(In/16)][8][4]: panels of 8 outputs, and in them
// groups of 4 consecutive inputs, output after output. What lies outside In or Out is 0.
// Scales (float32) and Sums (int32, the sum of an output's q over all inputs) have
// PanelWidth*ceil(Out/8) elements.
type Packed struct {
	Weights, Scales, Sums Buffer
	In, Out               int
}

// Panels is the float32 weights of a dense layer: [ceil(Out/8)][In][8], panels of 8
// outputs, input after input. What lies outside Out is 0.
type Panels struct {
	Weights Buffer
	In, Out int
}

// PanelWidth is the outputs in a panel; GroupDepth the inputs in a group of Packed, and
// PackedDepth what Packed pads inputs to a multiple of.
const (
	PanelWidth  = 8
	GroupDepth  = 4
	PackedDepth = 16
)

// Padded is n rounded up to a multiple of m.
func Padded(n, m int) int { return (n + m - 1) / m * m }

// Table is Rows × Columns embeddings: int8 with a float32 scale for each row, or float32
// where Scales is absent.
type Table struct {
	Values, Scales Buffer
	Rows, Columns  int
}

// Norm is a layer norm's parameters: gamma and beta, float32 a column.
type Norm struct {
	Gamma, Beta Buffer
	Epsilon     float32
}

// Sequence is rows of a batch that belong together, from First on: the first Rows of them
// ask, the first Keys answer. Fewer keys than rows mask the padding at the end; fewer rows
// ask for no more than is read.
type Sequence struct {
	First, Rows, Keys int
}

// Activation is a function applied to each element.
type Activation uint8

const (
	Identity Activation = iota
	GELU                // x/2 * (1 + erf(x/√2)), https://arxiv.org/abs/1606.08415
	GELUTanh            // its tanh form: x/2 * (1 + tanh(√(2/π) * (x + 0.044715x³)))
	ReLU
	Tanh
)

// Embed adds three embeddings and normalizes: Out[r] = norm(Word[Tokens[r]] +
// Positions[Places[r]] + Types[Kinds[r]]). Tokens, Places and Kinds are int32, one a row of Out,
// and must lie within their tables: a device need not check.
type Embed struct {
	Tokens, Places, Kinds  Buffer
	Word, Positions, Types Table
	Norm                   Norm
	Out                    Matrix
}

// Normalize is the layer norm of each row: Out = (In - mean) / √(variance + epsilon) *
// gamma + beta, the variance being the mean square of the difference. Where Quantized is
// present, it is Out quantized as by Quantize with Multiplier and no activation. Out may be In.
type Normalize struct {
	In         Matrix
	Norm       Norm
	Out        Matrix
	Multiplier Buffer
	Quantized  Quantized
}

// Quantize makes 7-bit activations, a row at a time. With x = Activation(In) *
// Multiplier, column by column (absent: 1), low = min(0, x...), high = max(0, x...):
//
//	scale = (high - low) / 127         (1 where that is 0)
//	zero  = round(-low / scale)
//	q     = round(x / scale) + zero    within 0 to 127
//
// computed in float32, x/scale as x*(1/scale), rounding half to even. In is left undefined
// where there is an activation.
type Quantize struct {
	In         Matrix
	Activation Activation
	Multiplier Buffer
	Out        Quantized
}

// Linear is a dense layer in integers: Out[r][n] = (Σ q[r][k]*w[n][k] - zero[r]*Sums[n]) *
// (scale[r]*Scales[n]) + Bias[n] + Residual[r][n]. The sums are int32 and equal on every
// device, bit for bit. Bias has as many elements as Scales. Residual may be absent, and
// may be Out.
type Linear struct {
	In       Quantized
	Weights  Packed
	Bias     Buffer
	Residual Matrix
	Out      Matrix
}

// LinearFloat is a dense layer in float32: Out = In·Weightsᵀ + Bias + Residual. Bias has
// PanelWidth*ceil(Out/8) elements. Residual may be absent, and may be Out.
type LinearFloat struct {
	In       Matrix
	Weights  Panels
	Bias     Buffer
	Residual Matrix
	Out      Matrix
}

// Attention is scaled dot-product attention, head by head: with d = columns of Out / Heads,
// Out = softmax(Q·Kᵀ/√d)·V over the keys of each sequence, https://arxiv.org/abs/1706.03762.
// QKV holds queries, keys and values side by side: 3 * columns of Out. Rows of Out
// that no sequence names are left as they were.
type Attention struct {
	QKV       Matrix
	Heads     int
	Sequences []Sequence
	Out       Matrix
}

// Activate applies a function to each element, in place.
type Activate struct {
	Activation Activation
	InOut      Matrix
}

// Pool makes one vector of each sequence: its first row, or the mean of its first Keys rows.
type Pool struct {
	In        Matrix
	Sequences []Sequence
	Mean      bool
	Out       Matrix // a row a sequence
}

// Widen turns IEEE half precision into float32. Out has twice the bytes of In and does not
// overlap it.
type Widen struct {
	In, Out Buffer
}
