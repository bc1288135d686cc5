package report

import (
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Deletion plots, as SVG, the mean probability of the label that was the top one against the
// share of a note's sentences deleted, at even steps: in the order that explanations give,
// at random, and in the opposite order.
func Deletion(supportive, random, least []float64) ([]byte, error) {
	p := newPlot("sentences deleted, of all but one, %", "mean probability of the note's top label, %")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 100, 0, 100
	p.Legend.Top = true
	p.Legend.TextStyle.Font, p.Legend.TextStyle.Color = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 9), soft
	for _, c := range []struct {
		name   string
		values []float64
		width  vg.Length
		dashes []vg.Length
	}{
		{"least supportive first", least, 1, []vg.Length{1, 3}},
		{"at random", random, 1, []vg.Length{4, 4}},
		{"most supportive first", supportive, 2, nil},
	} {
		points := make(plotter.XYs, len(c.values))
		for i, v := range c.values {
			points[i] = plotter.XY{X: 100 * float64(i) / float64(max(1, len(points)-1)), Y: 100 * v}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width, line.Dashes = fill, vg.Points(float64(c.width)), c.dashes
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	return svg(p, side, side)
}
