package fit

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

type goldenProblem struct {
	Name    string
	Labels  int
	Rows    [][]float64
	Classes []int
	Sets    [][]int
	Cases   []goldenCase
}

type goldenCase struct {
	Name        string
	C           float64
	Family      string
	Multinomial bool
	Balance     string
	Targets     string
	Weight      [][]float64 // [features][labels]
	Bias        []float64
}

func goldens(t *testing.T) []goldenProblem {
	t.Helper()
	content, err := os.ReadFile("testdata/optima.json")
	if err != nil {
		t.Fatal(err)
	}
	var problems []goldenProblem
	if err := json.Unmarshal(content, &problems); err != nil {
		t.Fatal(err)
	}
	return problems
}

func (c goldenCase) balance() Balance {
	return map[string]Balance{"": Unweighted, "labels": BalancedLabels, "classes": BalancedClasses}[c.Balance]
}

func (p goldenProblem) targets(c goldenCase) Targets {
	if c.Targets == "sets" {
		return MultiLabel(p.Labels, p.Sets)
	}
	return MultiClass(p.Labels, p.Classes)
}

// sparse gives the matrix of dense rows.
func sparse(rows [][]float64) *Matrix {
	m := &Matrix{Rows: len(rows), Cols: len(rows[0]), Start: []int{0}}
	for _, row := range rows {
		for j, v := range row {
			if v != 0 {
				m.Index, m.Value = append(m.Index, int32(j)), append(m.Value, v)
			}
		}
		m.Start = append(m.Start, len(m.Index))
	}
	return m
}

// prepare gives a design that works on products of rows, or on features, as told.
func prepare(t *testing.T, x *Matrix, gram bool) *Design {
	t.Helper()
	d, err := Prepare(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.gramPays = gram
	return d
}

func (c goldenCase) fit(ctx context.Context, d *Design, t Targets) (*Linear, error) {
	if c.Family == "svm" {
		return d.SVM(ctx, t, SVMOptions{C: c.C, Balance: c.balance(), Tolerance: 1e-10, Passes: 1000000})
	}
	return d.Logistic(ctx, t, LogisticOptions{C: c.C, Balance: c.balance(), Multinomial: c.Multinomial, Tolerance: 1e-7})
}

func TestOptimaAreScikitLearns(t *testing.T) {
	for _, p := range goldens(t) {
		for _, gram := range []bool{false, true} {
			d := prepare(t, sparse(p.Rows), gram)
			for _, c := range p.Cases {
				t.Run(p.Name+"/"+c.Name+"/"+way(gram), func(t *testing.T) {
					got, err := c.fit(context.Background(), d, p.targets(c))
					if err != nil {
						t.Fatal(err)
					}
					for l := range p.Labels {
						if math.Abs(got.Bias[l]-c.Bias[l]) > 1e-5 {
							t.Errorf("bias of label %d is %v, want %v", l, got.Bias[l], c.Bias[l])
						}
						for j := range c.Weight {
							if v := got.Weight[j*p.Labels+l]; math.Abs(v-c.Weight[j][l]) > 1e-5 {
								t.Fatalf("weight of feature %d for label %d is %v, want %v", j, l, v, c.Weight[j][l])
							}
						}
					}
				})
			}
		}
	}
}

func way(gram bool) string {
	if gram {
		return "products of rows"
	}
	return "features"
}

// invent draws a problem with more columns than rows, repeated rows and an empty one.
func invent(seed uint64, rows, cols, labels int) (*Matrix, []int, [][]int) {
	random := rand.New(rand.NewPCG(seed, 0))
	dense := make([][]float64, rows)
	classes, sets := make([]int, rows), make([][]int, rows)
	for i := range dense {
		dense[i] = make([]float64, cols)
		classes[i] = min(i%labels, random.IntN(labels))
		for l := range labels {
			if random.IntN(3) == 0 {
				sets[i] = append(sets[i], l)
			}
		}
		switch {
		case i == 1: // stays empty
		case i%5 == 4:
			copy(dense[i], dense[i-2])
		default:
			for range 6 {
				dense[i][random.IntN(cols)] = random.Float64()
			}
		}
	}
	return sparse(dense), classes, sets
}

// logisticGradient is the objective's gradient by the book: from scores and labels of
// the rows as they are, weights first, then biases.
func logisticGradient(x *Matrix, t Targets, m *Linear, c float64, b Balance, multinomial bool) []float64 {
	with, without, _ := b.Weights(t)
	scores, _ := m.Decision(x)
	g := append(slices.Clone(m.Weight), make([]float64, m.Labels)...)
	for i := range x.Rows {
		z := scores[i*m.Labels : (i+1)*m.Labels]
		norm := 0.0
		for _, v := range z {
			norm += math.Exp(v)
		}
		index, value := x.row(i)
		for l := range m.Labels {
			has := slices.Contains(t.Sets[i], l)
			p, weight := 1/(1+math.Exp(-z[l])), without[l]
			if has {
				weight = with[l]
			}
			if multinomial {
				p, weight = math.Exp(z[l])/norm, with[t.Sets[i][0]]
			}
			if has {
				p--
			}
			g[len(m.Weight)+l] += c * weight * p
			for q, j := range index {
				g[int(j)*m.Labels+l] += c * weight * p * value[q]
			}
		}
	}
	return g
}

func TestLogisticGradientVanishes(t *testing.T) {
	x, classes, sets := invent(7, 60, 90, 4)
	tests := []struct {
		name        string
		targets     Targets
		balance     Balance
		multinomial bool
	}{
		{"softmax", MultiClass(4, classes), BalancedClasses, true},
		{"classes against the rest", MultiClass(4, classes), BalancedLabels, false},
		{"classes against the rest, as liblinear weighs", MultiClass(4, classes), BalancedClasses, false},
		{"sets", MultiLabel(4, sets), BalancedLabels, false},
		{"sets, unweighted", MultiLabel(4, sets), Unweighted, false},
	}
	for _, test := range tests {
		for _, gram := range []bool{false, true} {
			t.Run(test.name+"/"+way(gram), func(t *testing.T) {
				m, err := prepare(t, x, gram).Logistic(context.Background(), test.targets,
					LogisticOptions{C: 3, Balance: test.balance, Multinomial: test.multinomial, Tolerance: 1e-7})
				if err != nil {
					t.Fatal(err)
				}
				for at, g := range logisticGradient(x, test.targets, m, 3, test.balance, test.multinomial) {
					if math.Abs(g) > 1e-4 {
						t.Fatalf("component %d of the gradient is %g at the result", at, g)
					}
				}
			})
		}
	}
}

// TestMachineKKT checks that the weights are what their own hinges pull: at the optimum
// w = 2C * sum of weight * max(0, 1-y*score) * y * x, and so for the bias.
func TestMachineKKT(t *testing.T) {
	x, classes, sets := invent(8, 60, 90, 4)
	for name, targets := range map[string]Targets{"classes": MultiClass(4, classes), "sets": MultiLabel(4, sets)} {
		for _, gram := range []bool{false, true} {
			t.Run(name+"/"+way(gram), func(t *testing.T) {
				m, err := prepare(t, x, gram).SVM(context.Background(), targets, SVMOptions{C: 2, Balance: BalancedLabels, Tolerance: 1e-9})
				if err != nil {
					t.Fatal(err)
				}
				with, without, _ := BalancedLabels.Weights(targets)
				scores, _ := m.Decision(x)
				rest := append(slices.Clone(m.Weight), m.Bias...)
				for i := range x.Rows {
					index, value := x.row(i)
					for l := range 4 {
						y, weight := -1.0, without[l]
						if slices.Contains(targets.Sets[i], l) {
							y, weight = 1, with[l]
						}
						pull := 2 * 2 * weight * max(0, 1-y*scores[i*4+l]) * y
						rest[len(m.Weight)+l] -= pull
						for q, j := range index {
							rest[int(j)*4+l] -= pull * value[q]
						}
					}
				}
				for at, g := range rest {
					if math.Abs(g) > 1e-6 {
						t.Fatalf("variable %d is off by %g", at, g)
					}
				}
			})
		}
	}
}

// TestLossDerivatives compares every loss's derivative with finite differences.
func TestLossDerivatives(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 0))
	const rows, labels = 5, 3
	binary := &binaryLoss{}
	soft := &softmaxLoss{labels: labels, total: make([]float64, rows), shares: make([][]weighted, rows)}
	for l := range labels {
		binary.with = append(binary.with, make([]float64, rows))
		binary.without = append(binary.without, make([]float64, rows))
		for i := range rows {
			w := random.Float64()
			binary.with[l][i], binary.without[l][i] = w, random.Float64()
			soft.shares[i] = append(soft.shares[i], weighted{l, w})
			soft.total[i] += w
		}
	}
	z := make([]float64, rows*labels)
	for at := range z {
		z[at] = random.NormFloat64() * 4
	}
	for name, l := range map[string]loss{"binary": binary, "softmax": soft} {
		t.Run(name, func(t *testing.T) {
			r, scrap, sums := make([]float64, len(z)), make([]float64, len(z)), make([]float64, l.values())
			l.at(r, z, sums, 0)
			value := func(at int, step float64) float64 {
				moved := slices.Clone(z)
				moved[at] += step
				l.at(scrap, moved, sums, 0)
				sum := 0.0
				for _, s := range sums {
					sum += s
				}
				return sum
			}
			for at := range z {
				const step = 1e-5
				if slope := (value(at, step) - value(at, -step)) / (2 * step); math.Abs(slope-r[at]) > 1e-7 {
					t.Errorf("derivative %d is %v, finite differences say %v", at, r[at], slope)
				}
			}
		})
	}
}

func TestLossesStayFinite(t *testing.T) {
	soft := &softmaxLoss{labels: 2, total: []float64{1}, shares: [][]weighted{{{0, 1}}}}
	binary := &binaryLoss{with: [][]float64{{1}, {0}}, without: [][]float64{{0}, {1}}}
	for name, l := range map[string]loss{"binary": binary, "softmax": soft} {
		r, sums := make([]float64, 2), make([]float64, l.values())
		l.at(r, []float64{-1000, 1000}, sums, 0)
		for _, v := range append(r, sums...) {
			if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 {
				t.Errorf("%s: %v and %v at scores of 1000 on the wrong side", name, r, sums)
			}
		}
	}
}

func TestSameBitsOnAnyCores(t *testing.T) {
	x, classes, sets := invent(10, 200, 300, 6)
	fits := map[string]func(d *Design) (*Linear, error){
		"softmax": func(d *Design) (*Linear, error) {
			return d.Logistic(context.Background(), MultiClass(6, classes), LogisticOptions{C: 5, Multinomial: true, Balance: BalancedClasses})
		},
		"sets": func(d *Design) (*Linear, error) {
			return d.Logistic(context.Background(), MultiLabel(6, sets), LogisticOptions{C: 5, Balance: BalancedLabels})
		},
		"machine": func(d *Design) (*Linear, error) {
			return d.SVM(context.Background(), MultiLabel(6, sets), SVMOptions{C: 5, Balance: BalancedLabels, Seed: 3})
		},
	}
	for name, fit := range fits {
		for _, gram := range []bool{false, true} {
			t.Run(name+"/"+way(gram), func(t *testing.T) {
				var first *Linear
				for _, cores := range []int{1, 2, 2, 5} {
					was := runtime.GOMAXPROCS(cores)
					m, err := fit(prepare(t, x, gram))
					runtime.GOMAXPROCS(was)
					if err != nil {
						t.Fatal(err)
					}
					if first == nil {
						first = m
					}
					if !slices.Equal(m.Weight, first.Weight) || !slices.Equal(m.Bias, first.Bias) {
						t.Fatalf("%d cores give other numbers than 1", cores)
					}
				}
			})
		}
	}
}

func TestWarmStartArrivesAtTheSameOptimum(t *testing.T) {
	x, classes, _ := invent(11, 120, 200, 4)
	targets := MultiClass(4, classes)
	for _, multinomial := range []bool{false, true} {
		for _, gram := range []bool{false, true} {
			d := prepare(t, x, gram)
			o := LogisticOptions{C: 1, Multinomial: multinomial, Tolerance: 1e-7}
			small, err := d.Logistic(context.Background(), targets, o)
			if err != nil {
				t.Fatal(err)
			}
			steps := 0
			o.Progress = func(p Progress) { steps = max(steps, p.Iteration) }
			o.Start = small
			if _, err := d.Logistic(context.Background(), targets, o); err != nil {
				t.Fatal(err)
			}
			if steps > 3 {
				t.Errorf("from its own result a fit took %d iterations", steps)
			}
			o.C = 4
			warm, err := d.Logistic(context.Background(), targets, o)
			if err != nil {
				t.Fatal(err)
			}
			o.Start = nil
			cold, err := d.Logistic(context.Background(), targets, o)
			if err != nil {
				t.Fatal(err)
			}
			for at := range cold.Weight {
				if math.Abs(cold.Weight[at]-warm.Weight[at]) > 1e-5 {
					t.Fatalf("multinomial %v, %s: weight %d is %v warm, %v cold", multinomial, way(gram), at, warm.Weight[at], cold.Weight[at])
				}
			}
		}
	}
}

func TestLabelsWithNothingToLearn(t *testing.T) {
	x, _, _ := invent(12, 20, 30, 2)
	sets, classes := make([][]int, 20), make([]int, 20)
	for i := range sets {
		sets[i] = []int{1} // label 0 never, label 1 always, label 2 now and then
		if i%3 == 0 {
			sets[i] = []int{1, 2}
			classes[i] = 2
		}
	}
	check := func(t *testing.T, m *Linear, err error, want ...float64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for l, bias := range want {
			if !math.IsNaN(bias) && m.Bias[l] != bias {
				t.Errorf("bias of label %d is %v, want %v", l, m.Bias[l], bias)
			}
			for j := range m.Features {
				if w := m.Weight[j*m.Labels+l]; !math.IsNaN(bias) && w != 0 {
					t.Fatalf("label %d has a weight", l)
				}
			}
		}
	}
	d, learnt := prepare(t, x, true), math.NaN()
	m, err := d.Logistic(context.Background(), MultiLabel(3, sets), LogisticOptions{C: 1, Balance: BalancedLabels})
	check(t, m, err, Floor, -Floor, learnt)
	m, err = d.SVM(context.Background(), MultiLabel(3, sets), SVMOptions{C: 1, Balance: BalancedLabels})
	check(t, m, err, Floor, -Floor, learnt)
	m, err = d.Logistic(context.Background(), MultiClass(3, classes), LogisticOptions{C: 1, Balance: BalancedClasses, Multinomial: true})
	check(t, m, err, learnt, Floor, learnt)
	m, err = d.Logistic(context.Background(), MultiClass(3, make([]int, 20)), LogisticOptions{C: 1, Multinomial: true})
	check(t, m, err, -Floor, Floor, Floor)
}

func TestRefusals(t *testing.T) {
	x, classes, sets := invent(13, 20, 30, 2)
	d := prepare(t, x, true)
	ctx := context.Background()
	logistic := func(targets Targets, o LogisticOptions) error { _, err := d.Logistic(ctx, targets, o); return err }
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"no C", logistic(MultiClass(2, classes), LogisticOptions{}), "C is 0"},
		{"C not a number", logistic(MultiClass(2, classes), LogisticOptions{C: math.NaN()}), "C is NaN"},
		{"softmax of sets", logistic(MultiLabel(2, sets), LogisticOptions{C: 1, Multinomial: true}), "multi-class"},
		{"labels balanced in softmax", logistic(MultiClass(2, classes), LogisticOptions{C: 1, Multinomial: true, Balance: BalancedLabels}), "balance classes"},
		{"classes balanced in sets", logistic(MultiLabel(2, sets), LogisticOptions{C: 1, Balance: BalancedClasses}), "balance labels"},
		{"too few targets", logistic(MultiClass(2, classes[:5]), LogisticOptions{C: 1}), "5 rows"},
		{"a label too many", logistic(MultiClass(1, classes), LogisticOptions{C: 1}), "label 1"},
		{"a start of another shape", logistic(MultiClass(2, classes), LogisticOptions{C: 1, Start: &Linear{Features: 3, Labels: 2}}), "3 features"},
		{"a start of other numbers", logistic(MultiClass(2, classes), LogisticOptions{C: 1, Start: &Linear{Features: 30, Labels: 2}}), "0 weights"},
		{"a start that is not finite", logistic(MultiClass(2, classes), LogisticOptions{C: 1, Start: &Linear{Features: 30, Labels: 2, Weight: make([]float64, 60), Bias: []float64{0, math.Inf(1)}}}), "not finite"},
	}
	for _, test := range tests {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, test.err, test.want)
		}
	}
}

func TestStops(t *testing.T) {
	x, classes, _ := invent(14, 100, 150, 3)
	targets := MultiClass(3, classes)
	d := prepare(t, x, true)
	t.Run("when cancelled", func(t *testing.T) {
		for _, multinomial := range []bool{false, true} {
			ctx, cancel := context.WithCancel(context.Background())
			m, err := d.Logistic(ctx, targets, LogisticOptions{C: 1, Multinomial: multinomial, Tolerance: 1e-9, Progress: func(Progress) { cancel() }})
			if !errors.Is(err, context.Canceled) || m != nil {
				t.Errorf("multinomial %v: %v with a model %v", multinomial, err, m != nil)
			}
			cancel()
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if _, err := d.SVM(ctx, targets, SVMOptions{C: 1, Progress: func(Progress) { cancel() }}); !errors.Is(err, context.Canceled) {
			t.Errorf("machine: %v", err)
		}
	})
	t.Run("short of the optimum", func(t *testing.T) {
		m, err := d.Logistic(context.Background(), targets, LogisticOptions{C: 100, Multinomial: true, Tolerance: 1e-9, Iterations: 2})
		if !errors.Is(err, ErrNotConverged) || m == nil {
			t.Errorf("softmax: %v with a model %v", err, m != nil)
		}
		m, err = d.Logistic(context.Background(), targets, LogisticOptions{C: 100, Tolerance: 1e-9, Iterations: 2})
		if !errors.Is(err, ErrNotConverged) || m == nil {
			t.Errorf("one against the rest: %v with a model %v", err, m != nil)
		}
		m, err = d.SVM(context.Background(), targets, SVMOptions{C: 100, Tolerance: 1e-9, Passes: 2})
		if !errors.Is(err, ErrNotConverged) || m == nil {
			t.Errorf("machine: %v with a model %v", err, m != nil)
		}
	})
}

// TestHugeValues checks that fits of absurd features end: in a result, or an error.
func TestHugeValues(t *testing.T) {
	x, classes, _ := invent(15, 30, 50, 3)
	for _, factor := range []float64{1e6, 1e15, 1e16, 1e300} {
		big := &Matrix{Rows: x.Rows, Cols: x.Cols, Start: x.Start, Index: x.Index, Value: slices.Clone(x.Value)}
		for p := range big.Value {
			big.Value[p] *= factor
		}
		d, err := Prepare(context.Background(), big)
		if factor > maxValue {
			if err == nil || !strings.Contains(err.Error(), "scale features") {
				t.Errorf("values of %g: error %v", factor, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, gram := range []bool{false, true} {
			d.gramPays = gram
			for _, c := range []float64{1e-300, 1, 1e300} {
				check := func(fit string, m *Linear, err error) {
					stopped := err == nil || errors.Is(err, ErrNotConverged)
					if !stopped && !strings.Contains(err.Error(), "diverged") || stopped && (!finite(m.Weight) || !finite(m.Bias)) {
						t.Errorf("values of %g, C %g, %s: %v", factor, c, fit, err)
					}
				}
				targets := MultiClass(3, classes)
				m, err := d.Logistic(context.Background(), targets, LogisticOptions{C: c, Multinomial: true, Iterations: 50})
				check("softmax", m, err)
				m, err = d.Logistic(context.Background(), targets, LogisticOptions{C: c, Iterations: 50})
				check("one against the rest", m, err)
				m, err = d.SVM(context.Background(), targets, SVMOptions{C: c, Passes: 50})
				check("machine", m, err)
			}
		}
	}
}

func TestMatrixValidation(t *testing.T) {
	ok := func() *Matrix {
		return &Matrix{Rows: 2, Cols: 3, Start: []int{0, 2, 3}, Index: []int32{0, 2, 1}, Value: []float64{1, 2, 3}}
	}
	if err := ok().Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string
		spoil      func(m *Matrix)
	}{
		{"starts missing", "row starts", func(m *Matrix) { m.Start = m.Start[:2] }},
		{"no starts", "row starts", func(m *Matrix) { m.Start = nil }},
		{"values missing", "2 values", func(m *Matrix) { m.Value = m.Value[:2] }},
		{"starts falling", "ends past", func(m *Matrix) { m.Start = []int{0, 4, 3} }},
		{"columns falling", "after column", func(m *Matrix) { m.Index[1] = 0 }},
		{"column too far", "of 3 columns", func(m *Matrix) { m.Index[1] = 3 }},
		{"column negative", "column -1", func(m *Matrix) { m.Index[0] = -1 }},
		{"not a number", "NaN", func(m *Matrix) { m.Value[0] = math.NaN() }},
		{"negative size", "-1 rows", func(m *Matrix) { m.Rows = -1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := ok()
			test.spoil(m)
			if err := m.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	m := sparse([][]float64{{1, 0, 2}, {0, 0, 0}, {0, 3, 0}}).Select([]int{2, 1, 0, 2})
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Value, []float64{3, 1, 2, 3}) || !slices.Equal(m.Index, []int32{1, 0, 2, 1}) {
		t.Errorf("selected %+v", m)
	}
}

func TestNoRows(t *testing.T) {
	d := prepare(t, &Matrix{Cols: 3, Start: []int{0}}, false)
	if _, err := d.Logistic(context.Background(), MultiClass(2, nil), LogisticOptions{C: 1, Multinomial: true}); err == nil || !strings.Contains(err.Error(), "no rows") {
		t.Errorf("error %v, want one about no rows", err)
	}
}
