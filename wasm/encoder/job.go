package encoder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"bedside/kernels"
	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// Result is what the network makes of one note.
type Result struct {
	// Logits are a label's each, combined over the windows as Window.Combine says.
	// Neither they nor Pooled exist for a note without tokens.
	Logits []float64
	// Pooled is the vector that the head reads, the mean over the windows.
	Pooled []float32

	Tokens  int // of the note, each counted once, [CLS] and [SEP] not at all
	Unknown int // of those, what stands for words that the vocabulary cannot spell
	Windows int // that the note was read in
}

// Job reads notes, batch by batch.
type Job struct {
	// Watch, where it is set before the first Step, is told the logits of each window, which
	// reads the tokens [first, end) of a note. They are overwritten after it returns.
	Watch func(note, first, end int, logits []float64)

	encoder *Encoder
	notes   [][]tokenizer.Token
	windows []window
	done    int // windows read
	flight  flight
	results []Result
	sums    [][]float64 // by note: of the pooled vectors
	err     error
}

// flight is a batch that was run and is not read yet.
type flight struct {
	windows        []window
	pooled, logits kernels.Matrix
}

// window is a span of one of the notes.
type window struct {
	note int
	span
}

// scratch is what each batch fills anew.
type scratch struct {
	sequences []kernels.Sequence
	ids       []byte // int32 a row, little-endian
	places    []byte
	pooled    []byte // float32
	logits    []byte
	watched   []float64
}

// Begin tokenizes a note and plans its windows.
func (e *Encoder) Begin(note string) (*Job, error) {
	tokens, err := e.Tokenize(nil, note)
	if err != nil {
		return nil, err
	}
	return e.BeginTokens(tokens)
}

// BeginTokens plans windows of several notes, of which one batch may hold many: parts or
// variants of a note, as Tokenize answers them.
func (e *Encoder) BeginTokens(notes ...[]tokenizer.Token) (*Job, error) {
	if e.tokenizer == nil {
		return nil, ErrNotReady
	}
	j := &Job{encoder: e, notes: notes, results: make([]Result, len(notes)), sums: make([][]float64, len(notes))}
	var spans []span
	for i, tokens := range notes {
		spans = split(spans[:0], len(tokens), e.shape.Window.Tokens-2, e.shape.Window.Overlap)
		for _, s := range spans {
			j.windows = append(j.windows, window{i, s})
		}
		r := &j.results[i]
		r.Tokens, r.Windows = len(tokens), len(spans)
		for _, t := range tokens {
			if t.ID < 0 || int(t.ID) >= e.shape.Vocabulary {
				return nil, fmt.Errorf("token %d does not lie in the vocabulary of %d", t.ID, e.shape.Vocabulary)
			}
			if t.ID == e.special.Unknown {
				r.Unknown++
			}
		}
	}
	return j, nil
}

// Windows are the tokens of a note in the windows that it is read in, each of which
// BeginTokens may read as a note of its own.
func (e *Encoder) Windows(note []tokenizer.Token) [][]tokenizer.Token {
	var windows [][]tokenizer.Token
	for _, s := range e.Spans(len(note)) {
		windows = append(windows, note[s[0]:s[1]])
	}
	return windows
}

// Spans are where the windows of a note of so many tokens lie: [first, end) of its tokens.
func (e *Encoder) Spans(tokens int) [][2]int {
	var spans [][2]int
	for _, s := range split(nil, tokens, e.shape.Window.Tokens-2, e.shape.Window.Overlap) {
		spans = append(spans, [2]int{s.first, s.first + s.length})
	}
	return spans
}

// Step reads one batch: as many of the next windows as fit Window.Tokens rows. Where the
// device answers later the job is Pending then, and the next Step goes on with that batch;
// a step of another job meanwhile drops the batch, to be run again. After an error the job
// is over; it is the device's, or ErrNotFinite.
func (j *Job) Step() (done bool, err error) {
	if j.err == nil && j.done < len(j.windows) {
		j.err = j.step()
	}
	return j.err == nil && j.done == len(j.windows), j.err
}

// Pending says that the device is at work on a batch: its host must settle before the next Step.
func (j *Job) Pending() bool { return j.encoder.flying == j }

// Progress is how many windows have been read, of how many.
func (j *Job) Progress() (done, total int) { return j.done, len(j.windows) }

// Tokens are the tokens of a note, with their places in its text.
func (j *Job) Tokens(note int) []tokenizer.Token { return j.notes[note] }

// Results are one a note, in order; they are whole when Step is done.
func (j *Job) Results() []Result { return j.results }

func (j *Job) step() error {
	e := j.encoder
	if e.flying != j {
		if err := j.submit(); err != nil {
			return err
		}
	}
	e.flying = nil
	f := &j.flight
	// Both are asked for before either is missed, so that the device settles once.
	err, late := e.read(&e.scratch.pooled, f.pooled), e.read(&e.scratch.logits, f.logits)
	if err == nil {
		err = late
	}
	if errors.Is(err, kernels.ErrPending) && (late == nil || errors.Is(late, kernels.ErrPending)) {
		e.flying = j
		return nil
	}
	if err != nil {
		return err
	}
	for i, w := range f.windows {
		if err := j.combine(w, e.scratch.pooled[4*i*f.pooled.Columns:][:4*f.pooled.Columns], e.scratch.logits[4*i*f.logits.Columns:][:4*f.logits.Columns]); err != nil {
			return err
		}
	}
	j.done += len(f.windows)
	return nil
}

// submit has the device run the next batch.
func (j *Job) submit() error {
	e := j.encoder
	e.flying = nil
	j.flight.windows = j.batch()
	for _, w := range []struct {
		to   kernels.Buffer
		data []byte
	}{{e.space.tokens, e.scratch.ids}, {e.space.places, e.scratch.places}} {
		if err := e.device.Write(w.to, w.data); err != nil {
			return err
		}
	}
	var ops []kernels.Op
	ops, j.flight.pooled, j.flight.logits = e.compile(e.scratch.sequences)
	return e.device.Run(ops)
}

// batch takes the next windows that fit and lays their rows out.
func (j *Job) batch() []window {
	e := j.encoder
	s := &e.scratch
	s.sequences, s.ids, s.places = s.sequences[:0], s.ids[:0], s.places[:0]
	first := 0
	for i, w := range j.windows[j.done:] {
		rows := w.length + 2
		if first+rows > e.shape.Window.Tokens {
			return j.windows[j.done : j.done+i]
		}
		s.sequences = append(s.sequences, kernels.Sequence{First: first, Rows: rows, Keys: rows})
		s.row(e.special.Class, 0)
		for k, t := range j.notes[w.note][w.first:][:w.length] {
			s.row(t.ID, k+1)
		}
		s.row(e.special.Separator, rows-1)
		first += rows
	}
	return j.windows[j.done:]
}

func (s *scratch) row(id int32, place int) {
	s.ids = binary.LittleEndian.AppendUint32(s.ids, uint32(id))
	s.places = binary.LittleEndian.AppendUint32(s.places, uint32(place))
}

// read fetches a matrix into scratch memory.
func (e *Encoder) read(to *[]byte, m kernels.Matrix) error {
	n := 4 * m.Rows * m.Columns
	if cap(*to) < n {
		*to = make([]byte, n)
	}
	*to = (*to)[:n]
	return e.device.Read(*to, m.Buffer)
}

// combine adds a window's answer to its note's.
func (j *Job) combine(w window, pooled, logits []byte) error {
	r, e := &j.results[w.note], j.encoder
	if r.Logits == nil {
		r.Logits, r.Pooled = make([]float64, e.labels), make([]float32, e.shape.Hidden)
		j.sums[w.note] = make([]float64, e.shape.Hidden)
	}
	share := 1 / float64(r.Windows)
	for i := range r.Logits {
		x := float(logits, i)
		switch {
		case math.IsNaN(x) || math.IsInf(x, 0):
			return ErrNotFinite
		case e.shape.Window.Combine != weights.MaxLogits:
			// The head is affine: the head of the mean vector is the mean of the logits.
			r.Logits[i] += float64(x * share)
		case w.first == 0:
			r.Logits[i] = x
		default:
			r.Logits[i] = max(r.Logits[i], x)
		}
	}
	for i, sum := range j.sums[w.note] {
		sum += float64(float(pooled, i) * share)
		j.sums[w.note][i], r.Pooled[i] = sum, float32(sum)
	}
	if j.Watch != nil {
		j.watch(w, logits)
	}
	return nil
}

func (j *Job) watch(w window, logits []byte) {
	s := &j.encoder.scratch
	s.watched = s.watched[:0]
	for i := range j.encoder.labels {
		s.watched = append(s.watched, float(logits, i))
	}
	j.Watch(w.note, w.first, w.first+w.length, s.watched)
}

// float is element i of float32 in bytes.
func float(b []byte, i int) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
}
