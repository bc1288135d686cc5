package classify

import (
	"slices"
	"strings"

	"bedside/wasm/encoder"
)

// Job is one note's classification under way. The jobs of one model may take turns.
type Job struct {
	model   *Model
	encoder *encoder.Job
	without *occlusion // read after the note; nil where nothing is explained by it
	options Options
	linear  part    // of a model of both
	result  *Result // nil until the last step
}

// part is what the linear head of a model of both makes of a note, until its encoder is done.
type part struct {
	logits []float64
	terms  int
	note   string // a copy, where something is to be explained
}

// Begin checks the note and reads it. A linear model has then done the work; an encoder
// does it in the steps, a few windows of the note each. The note is not needed after.
func (m *Model) Begin(note string, o Options) (*Job, error) {
	if err := m.check(note, o); err != nil {
		return nil, err
	}
	j := &Job{model: m, options: o}
	if m.linear != nil {
		m.linear.score(m.logits, note)
	}
	if m.encoder == nil {
		j.result = m.rank(len(m.linear.vector.Columns), o.Labels)
		m.linear.explain(j.result, note, o)
		return j, nil
	}
	if m.linear != nil {
		j.linear = part{logits: slices.Clone(m.logits), terms: len(m.linear.vector.Columns)}
		if o.Explain > 0 {
			j.linear.note = strings.Clone(note)
		}
	}
	var err error
	if j.encoder, err = m.encoder.Begin(note); err == nil && o.Explain > 0 {
		j.without, err = m.occlude(note, j.encoder, o)
	}
	return j, err
}

// Step does the next part of the work, and says whether it was the last: Result has the
// answer then. A job that is Pending has only asked for it. Errors wrap those of the device (see kernels) and of encoder.
func (j *Job) Step() (done bool, err error) {
	if j.result != nil {
		return true, nil
	}
	if done, err := j.encoder.Step(); err != nil || !done {
		return false, err
	}
	if j.without != nil {
		if done, err := j.without.step(); err != nil || !done {
			return false, err
		}
	}
	read, m := j.encoder.Results()[0], j.model
	clear(m.logits)
	copy(m.logits, j.linear.logits)
	m.take(read)
	j.result = m.rank(j.linear.terms+read.Tokens-read.Unknown, j.options.Labels)
	j.result.Tokens, j.result.Windows = read.Tokens, read.Windows
	if j.options.Explain > 0 {
		j.explain(read)
	}
	return true, nil
}

// explain takes the logits apart: the linear head's by n-grams, the encoder's by sentences.
func (j *Job) explain(read encoder.Result) {
	m := j.model.linear
	switch {
	case m == nil && j.without == nil:
		j.result.Unexplained = UnexplainedEncoder
		return
	case m == nil:
		j.without.explain(j.result, read.Logits, j.options)
		return
	}
	m.vectorizer.Transform(&m.vector, j.linear.note) // another job's note may stand there
	m.explain(j.result, j.linear.note, j.options)
	for i := range j.result.Explanations {
		e := &j.result.Explanations[i]
		if read.Logits != nil {
			e.Rest += read.Logits[e.Index]
		}
		if j.without != nil {
			j.without.beside(e, read.Logits, j.options)
		}
	}
}

// Progress is how many of the job's windows have been read: those of the note, then those
// that are read again to explain.
func (j *Job) Progress() (done, total int) {
	if j.encoder == nil {
		return 1, 1
	}
	done, total = j.encoder.Progress()
	if j.without != nil {
		again, of := j.without.job.Progress()
		done, total = done+again, total+of
	}
	return done, total
}

// Pending says that the device is at work: its host must settle before the next Step.
func (j *Job) Pending() bool {
	return j.encoder != nil && j.encoder.Pending() || j.without != nil && j.without.job.Pending()
}

// Tokens is how many an encoder's note has; a linear model alone counts none.
func (j *Job) Tokens() int {
	if j.encoder == nil {
		return 0
	}
	return len(j.encoder.Tokens(0))
}

// Result is the answer, nil before the last step.
func (j *Job) Result() *Result { return j.result }

// encode adds the encoder's to the model's logits.
func (m *Model) encode(note string) error {
	j, err := m.encoder.Begin(note)
	for done := false; err == nil && !done; {
		if done, err = j.Step(); err == nil && j.Pending() {
			err = errLater
		}
	}
	if err == nil {
		m.take(j.Results()[0])
	}
	return err
}

// take adds the logits of a note; one without tokens has none, and speaks for no label.
func (m *Model) take(r encoder.Result) {
	for l, z := range r.Logits {
		m.logits[l] += z
	}
}
