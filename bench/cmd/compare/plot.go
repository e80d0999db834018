package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/revv-go/revv/bench/measure"
)

// The measures of the plot, in pixels.
const (
	plotWidth  = 960
	leftEdge   = 270
	rightEdge  = 30
	topEdge    = 92
	bottomEdge = 56
	rowHeight  = 24 // of one client in one row
	groupGap   = 14
)

// The bounds of the axis of ratios, which is logarithmic.
const (
	leastRatio = 0.2
	mostRatio  = 4.0
)

// ticks are the ratios that the axis names.
func ticks() []float64 { return []float64{0.2, 0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 3, 4} }

// palette are colours that stay apart on light and on dark ground, also for
// people who do not see all colours (Okabe and Ito).
func palette() []string {
	return []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7f7f7f"}
}

func x(ratio float64) float64 {
	share := math.Log(min(max(ratio, leastRatio), mostRatio)/leastRatio) / math.Log(mostRatio/leastRatio)
	return leftEdge + share*(plotWidth-leftEdge-rightEdge)
}

// plot draws the ratios with their intervals as an SVG.
func (r *report) plot() string {
	var body strings.Builder
	y := float64(topEdge)
	for _, t := range r.trials {
		start := y
		for i, rival := range r.rivals {
			result, ok := r.results[cell{t.Key, rival.Name}]
			if !ok {
				continue
			}
			mark(&body, result, palette()[i%len(palette())], y+rowHeight/2, rival.Name)
			y += rowHeight
		}
		if y == start {
			continue
		}
		fmt.Fprintf(&body, `<text class="name" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", leftEdge-14, (start+y)/2+4, html.EscapeString(t.Name))
		if t.Goal > 0 {
			fmt.Fprintf(&body, `<path class="goal" d="M%.1f %.1fV%.1f"><title>goal %.2f</title></path>`+"\n", x(t.Goal), start, start+rowHeight, t.Goal)
		}
		y += groupGap
		fmt.Fprintf(&body, `<path class="rule" d="M%d %.1fH%d"/>`+"\n", 12, y-groupGap/2, plotWidth-rightEdge)
	}
	height := y + bottomEdge

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" role="img" aria-labelledby="title">`+"\n", plotWidth, height)
	b.WriteString(`<title id="title">Cost of API clients as a ratio to net/http alone, with 95 % intervals</title>
<style>
svg { background: #ffffff; font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
text { fill: #1f2328; } .small { font-size: 12px; } .head { font-size: 16px; font-weight: 600; } .axis { fill: #59636e; font-size: 12px; }
.grid { stroke: #d1d9e0; stroke-width: 1; } .rule { stroke: #eff2f5; stroke-width: 1; } .one { stroke: #1f2328; stroke-width: 1.5; }
.goal { stroke: #1f2328; stroke-width: 2; stroke-dasharray: 3 2; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #f0f6fc; } .axis { fill: #9198a1; } .grid { stroke: #3d444d; } .rule { stroke: #212830; }
.one, .goal { stroke: #f0f6fc; }
}
</style>
`)
	fmt.Fprintf(&b, `<text class="head" x="12" y="26">Cost of a call, as a ratio to net/http alone</text>`+"\n")
	r.legend(&b)
	for _, tick := range ticks() {
		class := "grid"
		if tick == 1 {
			class = "one"
		}
		fmt.Fprintf(&b, `<path class="%s" d="M%.1f %dV%.1f"/><text class="axis" x="%.1f" y="%.1f" text-anchor="middle">%g</text>`+"\n",
			class, x(tick), topEdge-8, height-bottomEdge, x(tick), height-bottomEdge+18, tick)
	}
	fmt.Fprintf(&b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="middle">ratio to the floor (logarithmic; left of 1 is faster); dashes are goals, bars 95 %% intervals</text>`+"\n",
		float64(leftEdge+plotWidth-rightEdge)/2, height-14)
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// mark draws one result: its interval, its median and its number.
func mark(b *strings.Builder, r measure.Result, colour string, y float64, name string) {
	fmt.Fprintf(b, `<g stroke="%s" fill="%s"><title>%s %s</title><path stroke-width="3" stroke-linecap="round" d="M%.1f %.1fH%.1f"/><circle cx="%.1f" cy="%.1f" r="5"/></g>`+"\n",
		colour, colour, html.EscapeString(name), ratio(r), x(r.Low), y, x(r.High), x(r.Median), y)
	place, anchor := x(r.High)+10, "start"
	if place > plotWidth-rightEdge-40 {
		place, anchor = x(r.Low)-10, "end"
	}
	fmt.Fprintf(b, `<text class="small" x="%.1f" y="%.1f" text-anchor="%s">%.2f</text>`+"\n", place, y+4, anchor, r.Median)
}

// legend names the colours.
func (r *report) legend(b *strings.Builder) {
	place := 12.0
	for i, rival := range r.rivals {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="50" r="5" fill="%s"/><text x="%.1f" y="54">%s</text>`+"\n", place+5, palette()[i%len(palette())], place+16, html.EscapeString(rival.Name))
		place += 34 + 8*float64(len(rival.Name))
	}
}
