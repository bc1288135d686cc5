package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bedside/tools/metrics"
	"bedside/wasm/classify"
	"bedside/wasm/text"
)

// Ask classifies one note, as host.Model.Classify does.
type Ask func(ctx context.Context, note string, o classify.Options) (*classify.Result, error)

// LeastSentences is how many a note must have for an order of them to matter.
const LeastSentences = 3

// resamples is how many draws of notes an interval is of.
const resamples = 2000

// Deletion is how faithfulness is measured.
type Deletion struct {
	Draws    int    // random orders for each note, of which the mean counts
	Seed     uint64 // of these, and of the interval
	Progress func(done, total int)
}

// Faithfulness is how well explanations name the sentences that answers rest on: how soon
// the probability of a note's top label falls as sentences are deleted from its text, the
// most supportive first, until one is left (Samek et al. 2017, https://arxiv.org/abs/1509.06321).
type Faithfulness struct {
	Notes     int `json:"notes"`
	Short     int `json:"short"`     // left out: fewer than LeastSentences sentences
	Unknown   int `json:"unknown"`   // left out: no term that the model knows
	Sentences int `json:"sentences"` // of the notes measured

	Supportive Curve `json:"supportive_first"`
	Random     Curve `json:"random"`
	Least      Curve `json:"least_supportive_first"`

	// Smaller is the share by which Supportive's area is smaller than Random's, with the ends
	// of its 95 % interval over notes.
	Smaller float64 `json:"smaller"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// Curve is the mean probability of the label that was the top one.
type Curve struct {
	Area   float64   `json:"area"`   // under it, of each note's own points
	Points []float64 `json:"points"` // after 0 %, 5 % and so on of the deletions
}

// steps is how many a curve's points are apart.
const steps = 20

// Faithful measures the explanations of a model. Where they are not sentences alone, as those of
// linear models and of mixes, a sentence's score is what the logit loses without it.
func Faithful(ctx context.Context, ask Ask, notes []string, o Deletion) (Faithfulness, error) {
	var f Faithfulness
	var supportive, random, least []float64 // areas by note
	for i, note := range notes {
		if o.Progress != nil {
			o.Progress(i+1, len(notes))
		}
		p, err := part(ctx, ask, note)
		if err == nil && len(p.spans) >= LeastSentences {
			f.Sentences += len(p.spans)
			err = p.measure(&f, o, &supportive, &random, &least)
		} else if err == nil {
			f.Short++
		}
		if errors.Is(err, errUnknown) {
			f.Unknown++
		} else if err != nil {
			return f, fmt.Errorf("note %d of %d: %w", i+1, len(notes), err)
		}
	}
	if f.Notes = len(supportive); f.Notes == 0 {
		return f, fmt.Errorf("no note to measure: %d have fewer than %d sentences, %d no word that the model knows", f.Short, LeastSentences, f.Unknown)
	}
	for _, c := range []struct {
		curve *Curve
		areas []float64
	}{{&f.Supportive, supportive}, {&f.Random, random}, {&f.Least, least}} {
		for k := range c.curve.Points {
			c.curve.Points[k] /= float64(f.Notes)
		}
		c.curve.Area = sum(c.areas) / float64(f.Notes)
	}
	f.Smaller = 1 - sum(supportive)/sum(random)
	f.Low, f.High = metrics.Resampled(f.Notes, resamples, o.Seed, func(drawn []int) float64 {
		a, b := 0.0, 0.0
		for _, i := range drawn {
			a, b = a+supportive[i], b+random[i]
		}
		return 1 - a/b
	})
	return f, nil
}

var errUnknown = errors.New("the note holds no terms that the model knows")

// parted is a note with what its sentences are said to contribute to its top label.
type parted struct {
	ctx    context.Context
	ask    Ask
	note   string
	label  int
	spans  [][2]int // in order of the note
	scores []float64
	known  map[string]float64 // by the sentences deleted: the label's probability
}

func part(ctx context.Context, ask Ask, note string) (*parted, error) {
	r, err := ask(ctx, note, classify.Options{Explain: 1, Features: classify.MaxFeatures})
	if err != nil {
		return nil, err
	}
	if r.Reason == classify.NoKnownTerms || len(r.Labels) == 0 {
		return nil, errUnknown
	}
	p := &parted{ctx: ctx, ask: ask, note: note, label: r.Labels[0].Index, known: map[string]float64{}}
	var sentences []classify.Feature
	for _, e := range r.Explanations {
		sentences = append(sentences, e.Features...)
	}
	if slices.ContainsFunc(sentences, func(f classify.Feature) bool { return f.Analyzer != classify.Sentence }) {
		sentences = nil // beside n-grams they say what the encoder does, and the weakest may be missing
	}
	slices.SortFunc(sentences, func(a, b classify.Feature) int { return a.Spans[0][0] - b.Spans[0][0] })
	for _, f := range sentences {
		p.spans, p.scores = append(p.spans, f.Spans[0]), append(p.scores, f.Contribution)
	}
	if len(sentences) > 0 || r.Unexplained != "" {
		return p, nil
	}
	return p, p.score(r.Labels[0].Logit)
}

// score parts a note that the model does not part, and scores its sentences by deletion.
func (p *parted) score(logit float64) error {
	for start, end := range text.Sentences(p.note) {
		sentence := p.note[start:end]
		start += len(sentence) - len(strings.TrimLeftFunc(sentence, text.IsSpace))
		if end = start + len(strings.TrimFunc(sentence, text.IsSpace)); start < end {
			p.spans = append(p.spans, [2]int{start, end})
		}
	}
	if len(p.spans) < LeastSentences {
		return nil
	}
	for i := range p.spans {
		left, err := p.without([]int{i})
		if err != nil {
			return err
		}
		p.scores = append(p.scores, logit-left.Logit)
	}
	return nil
}

// without has the rest of the note classified, and gives what becomes of the label.
func (p *parted) without(sentences []int) (classify.Label, error) {
	r, err := p.ask(p.ctx, p.left(sentences), classify.Options{})
	if err != nil {
		return classify.Label{}, err
	}
	i := slices.IndexFunc(r.Labels, func(l classify.Label) bool { return l.Index == p.label })
	return r.Labels[i], nil
}

// left is the note less some sentences.
func (p *parted) left(sentences []int) string {
	var b strings.Builder
	at := 0
	for i, s := range p.spans {
		if slices.Contains(sentences, i) {
			b.WriteString(p.note[at:s[0]])
			at = s[1]
		}
	}
	return b.String() + p.note[at:]
}

// measure adds the note's curves and areas.
func (p *parted) measure(f *Faithfulness, o Deletion, supportive, random, least *[]float64) error {
	order := make([]int, len(p.spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.scores[b], p.scores[a]) })
	area, err := p.delete(order, &f.Supportive, 1)
	if err != nil {
		return err
	}
	*supportive = append(*supportive, area)
	slices.Reverse(order)
	if area, err = p.delete(order, &f.Least, 1); err != nil {
		return err
	}
	*least = append(*least, area)
	r := rand.New(rand.NewPCG(o.Seed, uint64(len(*random))))
	mean := 0.0
	for range o.Draws {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		area, err := p.delete(order, &f.Random, 1/float64(o.Draws))
		if err != nil {
			return err
		}
		mean += area / float64(o.Draws)
	}
	*random = append(*random, mean)
	return nil
}

// delete deletes sentences in an order, all but the last. It adds the curve to c with a
// weight, and gives the area under it.
func (p *parted) delete(order []int, c *Curve, weight float64) (area float64, err error) {
	curve := make([]float64, len(order))
	for k := range curve {
		deleted := fmt.Sprint(slices.Sorted(slices.Values(order[:k])))
		probability, known := p.known[deleted]
		if !known {
			label, err := p.without(order[:k])
			if err != nil {
				return 0, err
			}
			probability = label.Probability
			p.known[deleted] = probability
		}
		curve[k] = probability
	}
	last := len(curve) - 1
	for k := range last {
		area += (curve[k] + curve[k+1]) / 2 / float64(last)
	}
	if c.Points == nil {
		c.Points = make([]float64, steps+1)
	}
	for i := range c.Points {
		at := float64(i) / steps * float64(last)
		below := min(int(at), last-1)
		share := at - float64(below)
		c.Points[i] += weight * (curve[below]*(1-share) + curve[below+1]*share)
	}
	return area, nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
