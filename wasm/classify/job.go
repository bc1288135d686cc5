package classify

import "bedside/wasm/encoder"

// Job is one note's classification under way. The jobs of one model may take turns.
type Job struct {
	model   *Model
	encoder *encoder.Job
	without *occlusion // read after the note; nil where nothing is explained by it
	options Options
	result  *Result // nil until the last step
}

// Begin checks the note and reads it. A linear model has then done the work; an encoder
// does it in the steps, a few windows of the note each. The note is not needed after.
func (m *Model) Begin(note string, o Options) (*Job, error) {
	if err := m.check(note, o); err != nil {
		return nil, err
	}
	j := &Job{model: m, options: o}
	if m.encoder != nil {
		var err error
		if j.encoder, err = m.encoder.Begin(note); err == nil && o.Explain > 0 {
			j.without, err = m.occlude(note, j.encoder, o)
		}
		return j, err
	}
	m.linear.score(m.logits, note)
	j.result = m.rank(len(m.linear.vector.Columns), o.Labels)
	m.linear.explain(j.result, note, o)
	return j, nil
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
	read := j.encoder.Results()[0]
	j.model.take(read)
	j.result = j.model.rank(read.Tokens-read.Unknown, j.options.Labels)
	j.result.Tokens, j.result.Windows = read.Tokens, read.Windows
	switch {
	case j.without != nil:
		j.without.explain(j.result, read.Logits, j.options)
	case j.options.Explain > 0:
		j.result.Unexplained = UnexplainedEncoder
	}
	return true, nil
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

// Tokens is how many an encoder's note has; a linear model counts none.
func (j *Job) Tokens() int {
	if j.encoder == nil {
		return 0
	}
	return len(j.encoder.Tokens(0))
}

// Result is the answer, nil before the last step.
func (j *Job) Result() *Result { return j.result }

// encode fills the model's logits.
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

// take takes over the logits of a note; one without tokens has none, and speaks for no label.
func (m *Model) take(r encoder.Result) {
	clear(m.logits)
	copy(m.logits, r.Logits)
}
