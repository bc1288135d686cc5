package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"regexp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"bedside/tools/metrics"
	"bedside/weights"
)

// Colours are the page's, which pass on its light ground; the plots bring that ground along.
var (
	ink   = color.NRGBA{0x17, 0x21, 0x2b, 0xff}
	soft  = color.NRGBA{0x4b, 0x58, 0x62, 0xff}
	hair  = color.NRGBA{0xd8, 0xdd, 0xdf, 0xff}
	fill  = color.NRGBA{0x0f, 0x6f, 0x85, 0xff}
	doubt = color.NRGBA{0xa8, 0x70, 0x00, 0xff}
)

const (
	side   = 4 * vg.Inch
	margin = 8 * vg.Inch / 72
)

// reliability plots what the most probable label claims against how often it is true.
// Bars are Wilson's 95 % intervals, with an answer counting for the share distinct of a
// note; a dot's area is that of the answers behind it.
func reliability(bins []weights.Bin, distinct float64) ([]byte, error) {
	p := newPlot("claimed by the top label, %", "right, %")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 100, 0, 100
	ideal, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 100, Y: 100}})
	if err != nil {
		return nil, err
	}
	ideal.Color, ideal.Dashes = soft, []vg.Length{4, 4}
	p.Add(ideal)
	most := 1
	for _, bin := range bins {
		most = max(most, bin.Count)
	}
	for _, bin := range bins {
		if bin.Count == 0 {
			continue
		}
		x := 100 * bin.Confidence
		low, high := wilson(bin.Accuracy, distinct*float64(bin.Count))
		bar, err := plotter.NewLine(plotter.XYs{{X: x, Y: 100 * low}, {X: x, Y: 100 * high}})
		if err != nil {
			return nil, err
		}
		bar.Color = fill
		dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: 100 * bin.Accuracy}})
		if err != nil {
			return nil, err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: fill, Shape: draw.CircleGlyph{}, Radius: vg.Points(2 + 6*math.Sqrt(float64(bin.Count)/float64(most)))}
		p.Add(bar, dot)
	}
	return svg(p, side, side)
}

// leastShown is how many notes the share right is worth drawing of, but a tenth of all will do.
const leastShown = 20

// coverage plots how often the top label is right against the share of notes answered,
// surest first, with Wilson's 95 % intervals as above; the mark is where the model stands
// when it says "not sure".
func coverage(r metrics.Report, distinct float64) ([]byte, error) {
	p := newPlot("notes answered, the surest first, %", "top label right, %")
	var line plotter.XYs
	var above, below plotter.XYs
	least := r.RightIfSure
	for i, point := range r.Curve {
		notes := distinct * point.Answered * float64(r.N)
		if notes < min(leastShown, distinct*float64(r.N)/10) && i+1 < len(r.Curve) {
			continue
		}
		low, high := wilson(point.Accuracy, notes)
		x := 100 * point.Answered
		line = append(line, plotter.XY{X: x, Y: 100 * point.Accuracy})
		above, below = append(above, plotter.XY{X: x, Y: 100 * high}), append(below, plotter.XY{X: x, Y: 100 * low})
		least = min(least, low)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 100, math.Floor(10*least)*10, 100
	slices.Reverse(below)
	band, err := plotter.NewPolygon(append(above, below...))
	if err != nil {
		return nil, err
	}
	band.Color, band.LineStyle.Width = color.NRGBA{0x0f, 0x6f, 0x85, 0x30}, 0
	curve, err := plotter.NewLine(line)
	if err != nil {
		return nil, err
	}
	curve.Color, curve.Width = fill, vg.Points(2)
	mark, err := plotter.NewScatter(plotter.XYs{{X: 100 * r.Coverage, Y: 100 * r.RightIfSure}})
	if err != nil {
		return nil, err
	}
	mark.GlyphStyle = draw.GlyphStyle{Color: doubt, Shape: draw.BoxGlyph{}, Radius: vg.Points(4)}
	p.Add(band, curve, mark)
	return svg(p, side, side)
}

// maxBars is how many labels a plot has room for.
const maxBars = 60

// byLabel plots the F1 of the most frequent labels as bars, the most frequent on top.
func byLabel(labels []weights.LabelFigure) ([]byte, error) {
	p := newPlot("F1, %", "")
	sorted := bySupport(labels)
	sorted = sorted[:min(len(sorted), maxBars)]
	slices.Reverse(sorted)
	var values plotter.Values
	var names []string
	for _, l := range sorted {
		values = append(values, 100*l.F1)
		names = append(names, fmt.Sprintf("%s (%d)", shortened(l.Label), l.Support))
	}
	bars, err := plotter.NewBarChart(values, vg.Points(9))
	if err != nil {
		return nil, err
	}
	bars.Horizontal, bars.Color, bars.LineStyle.Width = true, fill, 0
	p.Add(bars)
	p.NominalY(names...)
	p.Y.Tick.Label.Color, p.Y.LineStyle.Width = ink, 0
	p.X.Min, p.X.Max = 0, 100
	return svg(p, 6.5*vg.Inch, vg.Points(float64(50+14*len(names))))
}

// maxName is how many characters of a label's name a plot has room for.
const maxName = 40

func shortened(name string) string {
	if runes := []rune(line(name)); len(runes) > maxName {
		return string(runes[:maxName-1]) + "…"
	}
	return line(name)
}

// newPlot has the look that all share.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // svg paints the margins too
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Padding = hair, 0
		for _, style := range []*text.Style{&axis.Label.TextStyle, &axis.Tick.Label} {
			style.Font, style.Color = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 9), soft
		}
		axis.Tick.LineStyle.Color = hair
		axis.Tick.Marker = tens{}
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = hair, hair
	p.Add(grid)
	return p
}

// tens are ticks at every tenth number, named at every second.
type tens struct{}

// Ticks implements plot.Ticker.
func (tens) Ticks(least, most float64) []plot.Tick {
	var ticks []plot.Tick
	for at := math.Ceil(least/10) * 10; at <= most; at += 10 {
		tick := plot.Tick{Value: at}
		if most-least < 50 || math.Mod(at, 20) == 0 {
			tick.Label = fmt.Sprint(at)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// family is how the SVG writer names the font. Where it is missing others of its widths serve.
var family = regexp.MustCompile(`font-family:[^;"]*`)

func svg(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	canvas := vgsvg.NewWith(vgsvg.UseWH(width, height))
	paper := draw.New(canvas)
	paper.SetColor(color.White)
	paper.Fill(paper.Rectangle.Path())
	p.Draw(draw.Crop(paper, margin, -2*margin, margin, -margin))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	return family.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans, Arial, Helvetica, sans-serif")), nil
}

// wilson is the 95 % score interval of a share of so many.
func wilson(share, of float64) (low, high float64) {
	const z = 1.959964
	if of == 0 {
		return 0, 1
	}
	centre := (share + z*z/(2*of)) / (1 + z*z/of)
	half := z / (1 + z*z/of) * math.Sqrt(share*(1-share)/of+z*z/(4*of*of))
	return max(0, centre-half), min(1, centre+half)
}

// bySupport sorts labels by falling support.
func bySupport(labels []weights.LabelFigure) []weights.LabelFigure {
	sorted := slices.Clone(labels)
	slices.SortStableFunc(sorted, func(a, b weights.LabelFigure) int { return b.Support - a.Support })
	return sorted
}
