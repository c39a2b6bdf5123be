package workspace

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxSegments is the most segments that a workspace can have.
const maxSegments = 1_000

func (p *parser) segments(n *yaml.Node) map[string]Segment {
	return named(p, n, "segments", "segment", maxSegments, p.segment)
}

func (p *parser) segment(key, v *yaml.Node) Segment {
	s := Segment{Name: key.Value}
	f, ok := p.fields(key, v, fmt.Sprintf("segment %q", s.Name), "about", "when")
	if !ok {
		return s
	}
	f.need("when", "when: orders.count > 3")
	s.About, s.When = f.line("about", maxAbout), f.text("when", maxRule)
	return s
}
