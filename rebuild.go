package modelregistry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// rebuildHistory plans what becomes of a history that is damaged, or lost with
// its document. A document of ours holds what the lost lines changed, up to the
// event that it stands at. One that another program wrote is merged as usual.
func (p *repairPlan) rebuildHistory(ctx context.Context) error {
	x, name := p.x, p.m.name
	for _, d := range x.damage {
		p.replace(RepairAction{Kind: RebuildHistory, Path: p.file(logFile),
			Detail: fmt.Sprintf("at byte %d, where event %d should be: %v%s", d.at, d.event, d.err, p.known(d))})
	}
	if len(x.damage) == 0 {
		p.replace(RepairAction{Kind: RebuildHistory, Path: p.file(logFile), Detail: "history and document are lost; the manifests tell"})
	}
	if p.rewriteLog = true; x.owns() {
		p.state = x.rebuiltDocument(name)
	} else {
		p.state = x.replayed(name, x.last())
		if events := x.events(); x.doc != nil && len(events) > 0 {
			p.state.lay(newPast(events, base{}), x.doc, p.m.treeKind(nil))
		} else if x.doc != nil {
			p.state = fromDocument(name, x.doc)
			p.state.layGates(p.state.facts)
		}
	}
	p.replace(RepairAction{Kind: RebuildDocument, Path: p.file(documentFile)})
	return p.recoverTrees(ctx)
}

// rebuiltDocument returns the state of a document of ours with the events behind it.
func (x *modelCheck) rebuiltDocument(name ModelName) *state {
	s := fromDocument(name, x.doc)
	base := s.facts
	if s.older { // it keeps no facts
		base = factsAt(x.events(), s.last)
		s.facts = base
	}
	for _, l := range x.lines {
		s.apply(l.event, 0)
	}
	s.takeGates(base, x.doc)
	return s
}

// known says what becomes of what a damaged line changed.
func (p *repairPlan) known(d damage) string {
	switch {
	case !d.dropped:
		return ""
	case p.x.owns() && p.x.doc.Mark.Event >= d.event:
		return "; what it changed is in the document"
	}
	return "; what it changed is undone, as far as no later line says it"
}

// log returns the history as it is to be, and brings the state to its end. Lines
// behind a damaged place get the digest of the line that now stands before them, an event
// in the gap says that something is missing, and one at the end holds all that is known.
func (p *repairPlan) log(o RepairOptions) ([]byte, error) {
	var log []byte
	last, hash := int64(0), ""
	add := func(e *event, line []byte) {
		log = append(append(log, line...), '\n')
		last, hash = e.number, hashLine(line)
	}
	write := func(e *event) error {
		e.id, e.time, e.prev = newID(), p.m.r.now(), hash
		line, err := e.encode()
		if err == nil {
			add(e, line)
		}
		return err
	}
	for _, l := range p.x.lines {
		if l.number > last+1 && !l.skips() {
			gap := p.event(o, nil)
			gap.number, gap.reason = l.number-1, fmt.Sprintf("event %d is lost", last+1)
			if gap.number > last+1 {
				gap.reason = fmt.Sprintf("events %d to %d are lost", last+1, gap.number)
			}
			if err := write(gap); err != nil {
				return nil, err
			}
		}
		line, err := l.behind(hash)
		if err != nil {
			return nil, err
		}
		add(l.event, line)
	}
	if e := p.state.pending; e != nil {
		e.number = last + 1
		e.deleted = withMembers(e.deleted, tombstones(e.gone, formatTime(p.m.r.now())))
		if err := write(e); err != nil {
			return nil, err
		}
	}
	e := p.event(o, p.replaced)
	e.number, e.reset = max(last, p.state.last)+1, true
	p.mend(e.number)
	e.after, e.removed, e.deleted, e.model = p.state.images(), p.state.removed, p.state.deleted, p.state.facts.image()
	if err := write(e); err != nil {
		return nil, err
	}
	p.state.last, p.state.hash, p.state.offset = last, hash, int64(len(log))
	return log, nil
}

// behind returns the line with the digest of the line that stands before it now,
// all else as it was.
func (l logLine) behind(hash string) ([]byte, error) {
	held, sealed := unsealed(l.raw)
	if sealed && l.prev == hash {
		return l.raw, nil
	}
	end := []byte(`"prev":` + string(pyjson.Quote(l.prev)))
	if line, ok := bytes.CutSuffix(held, end); ok && sealed {
		return sealLine(append(slices.Clone(line), `"prev":`+string(pyjson.Quote(hash))...)), nil
	}
	return relinked(l.raw, hash)
}

// relinked returns a line that is not as it was written with the digest of the line
// before it and a checksum of its own. What it says stays, as far as it can be read.
func relinked(line []byte, prev string) ([]byte, error) {
	members, err := pyjson.Object(line)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for _, m := range members {
		if m.Key != "prev" && m.Key != "crc32c" {
			b = append(pyjson.Compact(append(append(b, m.Raw...), ':'), m.Value), ',')
		}
	}
	return sealLine(append(append(b, `"prev":`...), pyjson.Quote(prev)...)), nil
}

// mend archives all versions in production but the one promoted last.
func (p *repairPlan) mend(event int64) {
	s := p.state
	t, h := newTxn(s, p.m.r.now()), s.holder(Production)
	for _, e := range slices.Clone(s.order) {
		if e.stage == Production && e != h {
			im := t.staged(e, Archived)
			im.extra = entering(im.extra, event)
			s.set(im)
		}
	}
}

// fromTree makes an entry of what a version's own files say.
func (m *model) fromTree(ctx context.Context, version string) (image, error) {
	im := image{version: version}
	tree, err := m.r.store.OpenTree(ctx, m.name.UseCase, m.name.Model, version)
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
	x := extra{Manifest: hex.EncodeToString(sum[:])}
	if im.extra, err = x.encode(); err != nil {
		return im, err
	}
	v := ModelVersion{Name: m.name, Version: version, ManifestSHA256: x.Manifest}
	if err := m.r.verifyTree(ctx, v, nil); err != nil {
		return im, err
	}
	var reg registration
	if reg.metrics, err = readValues(root, artifact.MetricsFile); err != nil {
		return im, err
	}
	if reg.metadata, err = readValues(root, artifact.MetadataFile); err != nil {
		return im, err
	}
	info, err := root.Stat(artifact.ManifestFile) // it was written last
	if err != nil {
		return im, artifact.Bad(err)
	}
	im.raw = reg.entry(version, info.ModTime(), "")
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
		return nil, fmt.Errorf("%w: %s: %w", ErrArtifact, name, err)
	}
	return raw, nil
}
