package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// rebuildHistory plans the repair of a history that is damaged, or lost with
// its document. A document of ours has the changes of lost lines up to its own
// event. A document of another program is merged as usual.
func (p *plan) rebuildHistory(ctx context.Context) error {
	x := p.check
	for _, d := range x.log.Damage {
		p.replace(Action{Kind: RebuildHistory, Path: p.file(engine.LogFile),
			Detail: fmt.Sprintf("at byte %d, where event %d should be: %v%s", d.At, d.Event, d.Err, p.known(d))})
	}
	if len(x.log.Damage) == 0 {
		p.replace(Action{Kind: RebuildHistory, Path: p.file(engine.LogFile), Detail: "history and document are lost; the versions are listed from their manifests"})
	}
	if p.rewriteLog = true; x.owns() {
		p.state = x.rebuiltDocument()
	} else {
		p.state = x.replayed(x.log.Last())
		if events := x.log.Events(); x.doc != nil && len(events) > 0 {
			p.state.MergeBlind(x.doc, events)
		} else if x.doc != nil {
			p.state = index.FromDocument(x.Name.UseCase, x.Name.Model, x.doc)
			p.state.MergeGates(p.state.Facts)
		}
	}
	p.replace(Action{Kind: RebuildDocument, Path: p.file(engine.DocumentFile)})
	return p.recoverTrees(ctx)
}

// undoRewriting plans to put back the bytes that history and document had
// before a program rewrote them as text. The checksums show that these are the
// right ones, so no event is needed. A document that differs for another reason
// stays for the next repair.
func (p *plan) undoRewriting() {
	x := p.check
	if x.originalLog != nil {
		p.restoreLog = true
		p.replace(Action{Kind: RebuildHistory, Path: p.file(engine.LogFile), Detail: x.log.Damage[0].Err.Error() + "; every event is kept"})
	}
	if x.docRewritten != nil {
		if p.state = x.rebuiltDocument(); p.state.Last == x.log.Last() {
			p.state.Offset = x.end
			if x.originalLog != nil {
				p.state.Offset = int64(len(x.originalLog))
			}
		}
		p.replace(Action{Kind: RebuildDocument, Path: p.file(engine.DocumentFile), Detail: x.docRewritten.Error()})
	}
}

// rebuiltDocument returns the state of a document of ours with the later events
// applied.
func (x *Check) rebuiltDocument() *index.State {
	s := index.FromDocument(x.Name.UseCase, x.Name.Model, x.doc)
	base := s.Facts
	if s.Older { // it keeps no facts
		base = index.FactsAt(x.log.Events(), s.Last)
		s.Facts = base
	}
	for _, l := range x.log.Lines {
		s.Apply(l.Event, 0)
	}
	s.AdoptGates(base, x.doc)
	return s
}

// known describes what happens to the changes of a damaged line.
func (p *plan) known(d index.LogDamage) string {
	switch {
	case !d.Dropped:
		return ""
	case p.check.owns() && p.check.doc.Mark.Event >= d.Event:
		return "; what it changed is in the document"
	}
	return "; what it changed is lost, unless a later line repeats it"
}

// log returns the repaired history, and brings the state to its end. Lines
// after a damaged place get the digest of the line that is now before them. An
// event in the gap says which events are lost. An event at the end holds the
// whole state.
func (p *plan) log(o Options) ([]byte, error) {
	w := index.LogWriter{Now: p.Model.Now()}
	for _, l := range p.check.log.Lines {
		if l.Number > w.Last+1 && !l.Skips() {
			gap := p.event(o, nil)
			gap.Number, gap.Reason = l.Number-1, fmt.Sprintf("event %d is lost", w.Last+1)
			if gap.Number > w.Last+1 {
				gap.Reason = fmt.Sprintf("events %d to %d are lost", w.Last+1, gap.Number)
			}
			if err := w.Write(gap); err != nil {
				return nil, err
			}
		}
		if err := w.Keep(l.Event, l.Raw); err != nil {
			return nil, err
		}
	}
	if p.state.Pending != nil {
		if err := w.Record(p.state.Pending); err != nil {
			return nil, err
		}
	}
	if err := w.Restate(p.event(o, p.replaced), p.state); err != nil {
		return nil, err
	}
	return w.Log, nil
}

// fromTree makes an entry from a version's own files.
func (r Repairer) fromTree(ctx context.Context, version string) (index.Image, error) {
	im := index.Image{Version: version}
	tree, err := r.Model.Store().OpenTree(ctx, r.Model.Name.UseCase, r.Model.Name.Model, version)
	if err != nil {
		return im, artifact.Bad(err)
	}
	defer tree.Close()
	root, err := os.OpenRoot(tree.Path())
	if err != nil {
		return im, artifact.Bad(err)
	}
	defer root.Close()
	manifest, err := fsroot.ReadFile(root, artifact.ManifestFile, artifact.MaxManifest)
	if err != nil {
		return im, artifact.Bad(err)
	}
	sum := sha256.Sum256(manifest)
	x := index.Extra{Manifest: hex.EncodeToString(sum[:])}
	if im.Extra, err = x.Encode(); err != nil {
		return im, err
	}
	if _, err := r.Manifests.VerifyTree(ctx, r.Model.Store(), r.Model.Name, version, x.Manifest, nil); err != nil {
		return im, err
	}
	var reg index.Registration
	if reg.Metrics, err = readValues(root, artifact.MetricsFile); err != nil {
		return im, err
	}
	if reg.Metadata, err = readValues(root, artifact.MetadataFile); err != nil {
		return im, err
	}
	info, err := root.Stat(artifact.ManifestFile) // it was written last
	if err != nil {
		return im, artifact.Bad(err)
	}
	im.Raw = reg.Entry(version, info.ModTime())
	return im, nil
}

func readValues(root *os.Root, name string) ([]byte, error) {
	raw, err := fsroot.ReadFile(root, name, artifact.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte("{}"), nil
	}
	if err != nil {
		return nil, artifact.Bad(err)
	}
	if _, err := pyjson.Object(raw); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", artifact.ErrBad, name, err)
	}
	return raw, nil
}
