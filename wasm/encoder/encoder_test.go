package encoder

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd/headless"
	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// tiny is a shape for tests about windows, with the positions of real models.
func tiny(combine string) weights.Encoder {
	return weights.Encoder{
		Architecture: weights.BERT, Layers: 1, Hidden: 4, Heads: 1, Intermediate: 6, Activation: weights.GELU, Epsilon: 1e-12,
		Positions: 512, Types: 2, Vocabulary: 40, Pooler: true, Pool: weights.PoolFirst,
		Tokenizer: weights.Tokenizer{Kind: weights.WordPiece, Lowercase: true, StripAccents: true, MaxWord: 100},
		Window:    weights.Window{Tokens: 512, Overlap: 124, Combine: combine},
	}
}

// words is a note of n tokens, none like the next.
func words(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("w")
		b.WriteByte(byte('1' + i%3))
		b.WriteByte(byte('0' + i*i%7))
		b.WriteByte(' ')
	}
	return b.String()
}

func TestNotesOfEveryLength(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100,000 tokens")
	}
	e := loadAs(t, invent(tiny(weights.MeanPooled), 3), weights.Int8)
	for _, c := range []struct {
		name                     string
		note                     string
		tokens, unknown, windows int
	}{
		{"empty", "", 0, 0, 0},
		{"blank", " \t\r\n ", 0, 0, 0},
		{"one token", "a", 1, 0, 1},
		{"510 tokens", words(510), 510, 0, 1},
		{"511 tokens", words(511), 511, 0, 2},
		{"100,000 tokens", words(100_000), 100_000, 0, 259},
		{"a word of 50,000 characters", strings.Repeat("a", 50_000), 1, 1, 1},
		{"words that cannot be spelled", "雪 w11 雪", 3, 2, 1},
		{"not UTF-8", "w11 \xff\xfe w12", 2, 0, 1},
		{"special tokens", "[SEP] [CLS] [PAD]", 3, 0, 1},
	} {
		r := answer(t, e, c.note)
		if r.Tokens != c.tokens || r.Unknown != c.unknown || r.Windows != c.windows {
			t.Errorf("%s: %d tokens, %d unknown, %d windows", c.name, r.Tokens, r.Unknown, r.Windows)
		}
		if (r.Logits == nil) != (c.tokens == 0) || (r.Pooled == nil) != (c.tokens == 0) {
			t.Errorf("%s: logits %v, pooled %v", c.name, r.Logits, r.Pooled)
		}
	}
}

// TestWindowsAreCombined compares a long note with its windows, each read as a note.
func TestWindowsAreCombined(t *testing.T) {
	for _, combine := range []string{weights.MeanPooled, weights.MeanLogits, weights.MaxLogits} {
		shape := tiny(combine)
		shape.Window.Tokens, shape.Window.Overlap = 32, 7
		e := loadAs(t, invent(shape, 5), weights.Float32)
		tokens, err := e.Tokenize(nil, words(100))
		if err != nil {
			t.Fatal(err)
		}
		var parts [][]tokenizer.Token
		for _, s := range split(nil, len(tokens), 30, 7) {
			parts = append(parts, tokens[s.first:][:s.length])
		}
		j, err := e.BeginTokens(append(parts, tokens)...)
		var watched [][2]int // of the whole note
		var heard [][]float64
		j.Watch = func(note, first, end int, logits []float64) {
			if note == len(parts) {
				watched = append(watched, [2]int{first, end})
				heard = append(heard, slices.Clone(logits))
			}
		}
		results := finish(t, j, err)
		if !slices.Equal(watched, e.Spans(len(tokens))) {
			t.Errorf("%s: windows %v are watched, want %v", combine, watched, e.Spans(len(tokens)))
		}
		for i, logits := range heard {
			if !slices.Equal(logits, results[i].Logits) {
				t.Errorf("%s: window %d has the logits %v, read as a note %v", combine, i, logits, results[i].Logits)
			}
		}
		whole := results[len(parts)]
		if len(parts) < 3 || whole.Windows != len(parts) {
			t.Fatalf("%d windows, want %d, 3 or more", whole.Windows, len(parts))
		}
		for l, got := range whole.Logits {
			mean, most := 0.0, math.Inf(-1)
			for _, r := range results[:len(parts)] {
				mean, most = mean+r.Logits[l]/float64(len(parts)), max(most, r.Logits[l])
			}
			want := mean
			if combine == weights.MaxLogits {
				want = most
			}
			if math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: logit %d is %g, want %g", combine, l, got, want)
			}
		}
		for k, got := range whole.Pooled {
			mean := 0.0
			for _, r := range results[:len(parts)] {
				mean += float64(r.Pooled[k]) / float64(len(parts))
			}
			if math.Abs(float64(got)-mean) > 1e-7 {
				t.Errorf("%s: pooled %d is %g, want %g", combine, k, got, mean)
			}
		}
		if combine == weights.MeanPooled {
			headOfMean(t, e, whole)
		}
	}
}

// headOfMean runs the head once more, on the pooled vector.
func headOfMean(t *testing.T, e *Encoder, r Result) {
	t.Helper()
	if err := e.device.Write(e.space.side, weights.Float32s("", r.Pooled).Data); err != nil {
		t.Fatal(err)
	}
	logits := matrix(e.space.logits, 1, e.labels)
	h := e.network.head
	op := kernels.LinearFloat{In: matrix(e.space.side, 1, e.shape.Hidden), Weights: h.panels, Bias: h.bias, Out: logits}
	if err := e.device.Run([]kernels.Op{op}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4*e.labels)
	if err := e.device.Read(got, logits.Buffer); err != nil {
		t.Fatal(err)
	}
	for l, x := range r.Logits {
		if math.Abs(float(got, l)-x) > 1e-6 {
			t.Errorf("logit %d is %g, the head of the mean vector has %g", l, x, float(got, l))
		}
	}
}

// TestBatchesChangeNothing reads notes together and one by one.
func TestBatchesChangeNothing(t *testing.T) {
	for _, name := range []string{"sharded", "mean"} {
		for _, format := range []string{weights.Float32, weights.Int8} {
			c, g := open(t, name)
			e := loadAs(t, c, format)
			var notes [][]tokenizer.Token
			var want []Result
			for _, x := range g.Cases {
				tokens, err := e.Tokenize(nil, x.Text)
				if err != nil {
					t.Fatal(err)
				}
				notes, want = append(notes, tokens), append(want, answer(t, e, x.Text))
			}
			notes, want = append(notes, nil), append(want, Result{})
			j, err := e.BeginTokens(notes...)
			if err != nil {
				t.Fatal(err)
			}
			steps := 0
			for done := false; !done; steps++ {
				if done, err = j.Step(); err != nil {
					t.Fatal(err)
				}
				if n, total := j.Progress(); total != len(g.Cases) || done != (n == total) {
					t.Errorf("%s: %d of %d windows, done %v", name, n, total, done)
				}
			}
			if steps >= len(g.Cases) {
				t.Errorf("%s: %d steps for %d short notes", name, steps, len(g.Cases))
			}
			for i, r := range j.Results() {
				if !slices.Equal(r.Logits, want[i].Logits) || !slices.Equal(r.Pooled, want[i].Pooled) || r.Tokens != want[i].Tokens {
					t.Errorf("%s, %s: note %d is %v in a batch, %v alone", name, format, i, r.Logits, want[i].Logits)
				}
			}
		}
	}
}

// TestJobsInterleave steps two jobs of one encoder in turn.
func TestJobsInterleave(t *testing.T) {
	shape := tiny(weights.MeanPooled)
	shape.Window.Tokens, shape.Window.Overlap = 16, 4
	e := loadAs(t, invent(shape, 2), weights.Int8)
	notes := []string{words(60), "w11 a w12 " + words(50)}
	var jobs []*Job
	var want []Result
	for _, note := range notes {
		want = append(want, answer(t, e, note))
		j, err := e.Begin(note)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	for done := 0; done < len(jobs); {
		done = 0
		for _, j := range jobs {
			ok, err := j.Step()
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				done++
			}
		}
	}
	for i, j := range jobs {
		if !slices.Equal(j.Results()[0].Logits, want[i].Logits) {
			t.Errorf("note %d: %v, alone %v", i, j.Results()[0].Logits, want[i].Logits)
		}
	}
}

func TestMemoryIsCounted(t *testing.T) {
	for _, format := range []string{weights.Int8, weights.Float16, weights.Float32} {
		m, _ := invent(tiny(weights.MeanPooled), 3).bundle(t, format)
		d := reference.NewDevice()
		e, err := New(m, d)
		if err != nil {
			t.Fatal(err)
		}
		d = reference.NewDevice()
		d.Limit = e.Bytes()
		if _, err := New(m, d); err != nil {
			t.Errorf("%s: Bytes() says %d, but: %v", format, e.Bytes(), err)
		}
		d = reference.NewDevice()
		d.Limit = e.Bytes() - kernels.Alignment
		if _, err := New(m, d); !errors.Is(err, kernels.ErrMemory) {
			t.Errorf("%s: with less than %d bytes: %v", format, e.Bytes(), err)
		}
	}
}

func TestDestination(t *testing.T) {
	m, _ := invent(tiny(weights.MeanPooled), 3).bundle(t, weights.Int8)
	e, err := New(m, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{-1, len(m.Tensors), weights.Header} {
		if b, ok := e.Destination(i); ok {
			t.Errorf("tensor %d goes to %+v", i, b)
		}
	}
	seen := map[uint32]string{}
	for i, x := range m.Tensors {
		if b, ok := e.Destination(i); ok {
			if other := seen[b.Address]; other != "" {
				t.Errorf("%s and %s go to %d", other, x.Name, b.Address)
			}
			seen[b.Address] = x.Name
		}
	}
}

func TestNewRefuses(t *testing.T) {
	sound := func() *weights.Manifest {
		m, _ := invent(tiny(weights.MeanPooled), 3).bundle(t, weights.Int8)
		return m
	}
	without := func(name string) *weights.Manifest {
		m := sound()
		m.Tensors = slices.DeleteFunc(m.Tensors, func(x weights.Tensor) bool { return x.Name == name })
		return m
	}
	for _, c := range []struct {
		m    *weights.Manifest
		says string
	}{
		{&weights.Manifest{}, "no encoder"},
		{without("encoder.0.up.sums"), "encoder.0.up.sums"},
		{without("head.weight"), "head.weight"},
		{without("encoder.type"), "encoder.type"},
		{func() *weights.Manifest { m := sound(); m.Encoder.Architecture = "gpt2"; return m }(), "gpt2"},
		{func() *weights.Manifest { m := sound(); m.Encoder.Activation = "swish"; return m }(), "swish"},
	} {
		if _, err := New(c.m, reference.NewDevice()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want an error about %s", err, c.says)
		}
	}
}

func TestReadyRefuses(t *testing.T) {
	c := invent(tiny(weights.MeanPooled), 3)
	m, values := c.bundle(t, weights.Int8)
	device := reference.NewDevice()
	e, err := New(m, device)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, device, e, m, values)
	sound := string(c.vocabulary)
	for _, x := range []struct{ name, vocabulary, says string }{
		{"empty", "", "empty"},
		{"no [SEP]", strings.Replace(sound, "[SEP]", "sep", 1), "[SEP]"},
		{"no [UNK]", strings.Replace(sound, "[UNK]", "unk", 1), "[UNK]"},
		{"an entry twice", strings.Replace(sound, "w9\n", "w8\n", 1), "stands already"},
		{"too many entries", sound + "more\n", "41 entries for a table of 40"},
		{"not UTF-8", strings.Replace(sound, "w9", "\xff", 1), "UTF-8"},
	} {
		if err := e.Ready([]byte(x.vocabulary)); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.name, err)
		}
		if _, err := e.Begin("w11"); !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: Begin answers %v", x.name, err)
		}
		if _, err := e.BeginTokens(nil); !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: BeginTokens answers %v", x.name, err)
		}
	}
	m.Encoder.Tokenizer.Kind = "sentencepiece"
	if err := e.Ready(c.vocabulary); err == nil || !strings.Contains(err.Error(), "sentencepiece") {
		t.Errorf("another tokenizer: %v", err)
	}
	m.Encoder.Tokenizer.Kind = weights.WordPiece
	if err := e.Ready([]byte(strings.TrimSuffix(sound, "w39\n"))); err != nil {
		t.Errorf("a table with a row to spare: %v", err)
	}
}

func TestTokensBeyondTheTable(t *testing.T) {
	e := loadAs(t, invent(tiny(weights.MeanPooled), 3), weights.Int8)
	for _, id := range []int32{-1, 40, math.MaxInt32} {
		if _, err := e.BeginTokens([]tokenizer.Token{{ID: id}}); err == nil {
			t.Errorf("token %d is accepted", id)
		}
	}
}

func TestWeightsThatAreNotFinite(t *testing.T) {
	c := invent(tiny(weights.MeanPooled), 3)
	for _, x := range []struct {
		name string
		bad  float32
	}{
		{"encoder.0.down.norm.gamma", float32(math.NaN())},
		{"encoder.position", float32(math.Inf(1))},
		{"encoder.0.qkv.weight", float32(math.NaN())},
		{"head.weight", float32(math.Inf(-1))},
	} {
		e := loadAs(t, c, weights.Float32)
		m, _ := c.bundle(t, weights.Float32)
		to, ok := e.Destination(slices.IndexFunc(m.Tensors, func(t weights.Tensor) bool { return t.Name == x.name }))
		if !ok {
			t.Fatal(x.name)
		}
		if err := e.device.Write(to, weights.Float32s("", slices.Repeat([]float32{x.bad}, int(to.Bytes/4))).Data); err != nil {
			t.Fatal(err)
		}
		j, err := e.Begin("w11 w12")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if done, err := j.Step(); done || !errors.Is(err, ErrNotFinite) {
				t.Errorf("%s of %g: done %v, %v, logits %v", x.name, x.bad, done, err, j.Results()[0].Logits)
			}
		}
	}
}

// TestDamagedWeightsOnKernels: SIMD kernels lose no NaN and no infinity on the way to the logits,
// also where int8 is between.
func TestDamagedWeightsOnKernels(t *testing.T) {
	m, values := invent(tiny(weights.MeanPooled), 3).bundle(t, weights.Int8)
	d, err := headless.NewDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	e := load(t, d, m, values)
	for i, tensor := range m.Tensors {
		to, ok := e.Destination(i)
		if !ok || tensor.DType != weights.F32 || tensor.Name == "encoder.word.scale" || strings.HasSuffix(tensor.Name, ".multiplier") {
			continue // scales of words that the note lacks; multipliers of inputs that may be 0
		}
		for _, x := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			if strings.HasPrefix(tensor.Name, weights.EncoderPooler) && x == x {
				continue // whose tanh is 1
			}
			damaged := weights.Float32s("", []float32{x}).Data
			sound := make([]byte, len(damaged))
			if err := errors.Join(d.Read(sound, to), d.Write(to, damaged)); err != nil {
				t.Fatal(err)
			}
			j, err := e.Begin("w11 w12")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Step(); !errors.Is(err, ErrNotFinite) {
				t.Errorf("%s with %g: %v, logits %v", tensor.Name, x, err, j.Results()[0].Logits)
			}
			if err := d.Write(to, sound); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := answer(t, e, "w11 w12"); r.Logits == nil {
		t.Error("the sound weights give no answer")
	}
}

// losing is a device that is lost after some runs.
type losing struct {
	*reference.Device
	left int
}

func (d *losing) Run(program []kernels.Op) error {
	if d.left--; d.left < 0 {
		return kernels.ErrLost
	}
	return d.Device.Run(program)
}

func TestLosingTheDevice(t *testing.T) {
	shape := tiny(weights.MeanPooled)
	shape.Window.Tokens, shape.Window.Overlap = 16, 4
	m, values := invent(shape, 2).bundle(t, weights.Int8)
	e := load(t, &losing{reference.NewDevice(), 2}, m, values)
	j, err := e.Begin(words(100))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if done, err := j.Step(); done || err != nil {
			t.Fatalf("done %v, %v", done, err)
		}
	}
	for range 2 {
		if done, err := j.Step(); done || !errors.Is(err, kernels.ErrLost) {
			t.Errorf("done %v, %v", done, err)
		}
	}
	if n, total := j.Progress(); n != 2 || total < 3 {
		t.Errorf("%d of %d windows", n, total)
	}
}

// later is a device that has an answer only once it has settled.
type later struct {
	*reference.Device
	asked    map[kernels.Buffer]bool // since the last run
	answered bool
	settles  int
}

func (d *later) Run(program []kernels.Op) error {
	d.asked, d.answered = map[kernels.Buffer]bool{}, false
	return d.Device.Run(program)
}

func (d *later) Read(data []byte, from kernels.Buffer) error {
	if !d.answered || !d.asked[from] {
		d.asked[from] = true
		return kernels.ErrPending
	}
	return d.Device.Read(data, from)
}

func (d *later) settle() { d.answered, d.settles = true, d.settles+1 }

// TestDeviceThatAnswersLater steps jobs on such a device, alone and in turns, and cancels some.
func TestDeviceThatAnswersLater(t *testing.T) {
	shape := tiny(weights.MeanPooled)
	shape.Window.Tokens, shape.Window.Overlap = 16, 4
	m, values := invent(shape, 2).bundle(t, weights.Float16)
	at := load(t, reference.NewDevice(), m, values)
	d := &later{Device: reference.NewDevice()}
	e := load(t, d, m, values)
	through := func(j *Job) []float64 {
		t.Helper()
		for done := false; !done; {
			var err error
			if done, err = j.Step(); err != nil {
				t.Fatal(err)
			}
			if done && j.Pending() {
				t.Fatal("done, and pending")
			}
			if j.Pending() {
				d.settle()
			}
		}
		return j.Results()[0].Logits
	}
	begin := func(note string) *Job {
		t.Helper()
		j, err := e.Begin(note)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for _, note := range []string{words(60), "w11", ""} {
		d.settles = 0
		j := begin(note)
		if got, want := through(j), answer(t, at, note).Logits; !slices.Equal(got, want) {
			t.Errorf("%d characters: %v, want %v", len(note), got, want)
		}
		if _, windows := j.Progress(); d.settles != windows {
			t.Errorf("the device settled %d times for %d windows", d.settles, windows)
		}
	}

	// One that is left while it is pending, and taken up again after another.
	left, other := begin(words(60)), begin("w12 w13 "+words(30))
	if _, err := left.Step(); err != nil || !left.Pending() {
		t.Fatalf("pending %v, %v", left.Pending(), err)
	}
	want := answer(t, at, "w12 w13 "+words(30)).Logits
	if got := through(other); left.Pending() || !slices.Equal(got, want) {
		t.Errorf("after another was left: %v, want %v", got, want)
	}
	if got, want := through(left), answer(t, at, words(60)).Logits; !slices.Equal(got, want) {
		t.Errorf("taken up again: %v, want %v", got, want)
	}

	// One that is stepped before the device has settled asks again, and nothing is lost.
	hasty := begin(words(20))
	for range 3 {
		if done, err := hasty.Step(); done || err != nil || !hasty.Pending() {
			t.Fatalf("done %v, pending %v, %v", done, hasty.Pending(), err)
		}
	}
	if got, want := through(hasty), answer(t, at, words(20)).Logits; !slices.Equal(got, want) {
		t.Errorf("asked often: %v, want %v", got, want)
	}
}

// TestLosingADeviceThatAnswersLater: what is lost between asking and reading ends the job.
func TestLosingADeviceThatAnswersLater(t *testing.T) {
	m, values := invent(tiny(weights.MeanPooled), 2).bundle(t, weights.Int8)
	e := load(t, &lateLoss{later{Device: reference.NewDevice()}}, m, values)
	j, err := e.Begin("w11 w12")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := j.Step(); done || err != nil || !j.Pending() {
		t.Fatalf("done %v, pending %v, %v", done, j.Pending(), err)
	}
	e.device.(*lateLoss).settle()
	for range 2 {
		if done, err := j.Step(); done || !errors.Is(err, kernels.ErrLost) || j.Pending() {
			t.Errorf("done %v, pending %v, %v", done, j.Pending(), err)
		}
	}
}

// lateLoss is lost when it has settled.
type lateLoss struct{ later }

func (d *lateLoss) Read(data []byte, from kernels.Buffer) error {
	if d.answered {
		return kernels.ErrLost
	}
	return d.later.Read(data, from)
}

// idle is a device that checks programs and computes nothing.
type idle struct{ *reference.Device }

func (d idle) Run(program []kernels.Op) error { return kernels.Check(program) }

// TestStepAllocatesNothingPerToken: long windows take no more than short ones.
func TestStepAllocatesNothingPerToken(t *testing.T) {
	m, values := invent(tiny(weights.MeanPooled), 3).bundle(t, weights.Int8)
	e := load(t, idle{reference.NewDevice()}, m, values)
	count := func(tokens int) float64 {
		j, err := e.Begin(words(tokens))
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(20, func() {
			j.done = 0
			if _, err := j.Step(); err != nil {
				t.Fatal(err)
			}
		})
	}
	count(510)
	if short, long := count(2), count(500); long > short {
		t.Errorf("a batch of 500 tokens allocates %g times, one of 2 tokens %g times", long, short)
	}
}
