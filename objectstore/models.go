package objectstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// Models yields the names of the models, sorted. It takes one listing for each
// use case, and one or two small requests for each model.
func (s *Store) Models(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.modelsThat(ctx, s.isModel)
}

// modelsThat yields the names that can be a model's and for which is reports
// true.
func (s *Store) modelsThat(ctx context.Context, is func(context.Context, mr.ModelName) (bool, error)) iter.Seq2[driver.Name, error] {
	return func(yield func(driver.Name, error) bool) {
		err := s.checkBucket(ctx)
		var useCases []string
		if err == nil {
			useCases, err = s.useCases(ctx)
		}
		if err != nil {
			yield(driver.Name{}, err)
			return
		}
		for _, useCase := range useCases {
			names, err := s.modelsOf(ctx, useCase, is)
			for _, name := range names {
				if !yield(driver.Name(name), nil) {
					return
				}
			}
			if err != nil && !yield(driver.Name{UseCase: useCase}, err) {
				return
			}
		}
	}
}

// useCases lists the names that can be a use case's.
func (s *Store) useCases(ctx context.Context) ([]string, error) {
	return s.names(ctx, "", func(n string) mr.ModelName { return mr.ModelName{UseCase: n, Model: "m"} })
}

// modelNames lists the names that can be those of a use case's models.
func (s *Store) modelNames(ctx context.Context, useCase string) ([]string, error) {
	return s.names(ctx, useCase+"/", func(n string) mr.ModelName { return mr.ModelName{UseCase: useCase, Model: n} })
}

func (s *Store) modelsOf(ctx context.Context, useCase string, is func(context.Context, mr.ModelName) (bool, error)) (found []mr.ModelName, err error) {
	list, err := s.modelNames(ctx, useCase)
	if err != nil {
		return nil, err
	}
	there := make([]bool, len(list))
	err = s.each(ctx, len(list), func(ctx context.Context, i int) (err error) {
		there[i], err = is(ctx, mr.ModelName{UseCase: useCase, Model: list[i]})
		return err
	})
	for i, model := range list {
		if there[i] {
			found = append(found, mr.ModelName{UseCase: useCase, Model: model})
		}
	}
	return found, err
}

func (s *Store) isModel(ctx context.Context, name mr.ModelName) (bool, error) {
	if there, err := s.exists(ctx, modelKey(name, documentName)); there || err != nil {
		return there, err
	}
	if n, err := s.newest(ctx, name); n > 0 || err != nil {
		return n > 0, err
	}
	data, err := s.get(ctx, modelKey(name, logName)) // of a folder that was copied into the bucket
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return logformat.Whole(data) > 0, err
}

// names lists the names that can be a use case's or a model's. A listing is in
// order of the names with a slash after each.
func (s *Store) names(ctx context.Context, prefix string, as func(string) mr.ModelName) (names []string, err error) {
	list, err := s.list(ctx, prefix, false, 0)
	for _, o := range list {
		n := strings.TrimSuffix(strings.TrimPrefix(o.key, prefix), "/")
		if o.dir && as(n).Validate() == nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, err
}
