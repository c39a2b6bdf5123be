package message

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

var (
	hidden   = []string{"head", "style", "script", "title", "template"}
	breaking = []string{"p", "div", "br", "tr", "table", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "section", "header", "footer", "blockquote"}
	folds    = regexp.MustCompile(`[ \t\r\n\f]+`) // what HTML shows as one blank
	spaces   = regexp.MustCompile(`[ \t\x{a0}]+`)
	blank    = regexp.MustCompile(`\n{3,}`)
)

// plain writes HTML as the text part of a mail: links stand behind their words.
func plain(s string) string {
	var out strings.Builder
	var skip, link, label string
	begin := 0 // of the link's words in out
	z := html.NewTokenizer(strings.NewReader(s))
	for z.Next() != html.ErrorToken {
		t := z.Token()
		switch t.Type {
		case html.TextToken:
			if skip == "" {
				out.WriteString(folds.ReplaceAllString(t.Data, " "))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if skip == "" && slices.Contains(hidden, t.Data) && t.Type == html.StartTagToken {
				skip = t.Data
			}
			if slices.Contains(breaking, t.Data) && skip == "" {
				out.WriteString(opening(t.Data))
			}
			if t.Data == "a" {
				link, begin = attribute(t, "href"), out.Len()
			}
			if alt := attribute(t, "alt"); t.Data == "img" && alt != "" && skip == "" {
				out.WriteString(strings.Join(strings.Fields(alt), " "))
			}
		case html.EndTagToken:
			if t.Data == skip {
				skip = ""
			}
			if t.Data == "a" && link != "" && skip == "" {
				if label = strings.TrimSpace(out.String()[begin:]); label != link && strings.Contains(link, "://") {
					out.WriteString(" (" + link + ")")
				}
				link = ""
			}
			if slices.Contains(breaking, t.Data) && skip == "" {
				out.WriteByte('\n')
			}
		}
	}
	return tidy(out.String())
}

// opening is how an element begins on a line of its own.
func opening(tag string) string {
	if tag == "li" {
		return "\n- "
	}
	return "\n"
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func tidy(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(spaces.ReplaceAllString(l, " "))
	}
	return strings.TrimSpace(blank.ReplaceAllString(strings.Join(lines, "\n"), "\n\n"))
}
