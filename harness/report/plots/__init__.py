"""Pictures of a graded submission, drawn from the record and what was measured, or from the files of both.

Equal numbers give equal bytes. Every picture can be read in black and white: line styles, markers and
words stand beside the colours. `harness.report.pictures.write_pictures` draws them all.

Per variant, in ``<variant's folder>/plots/``:

``acc_curves.png``, ``loss_curves.png``
    Train and test by epoch, the assignment's threshold, the last epoch with its 95 % interval, and where
    images of another size begin: the charts of ``scorecard.html``. Trained only.
``cm.png``
    Confusion matrix of the last epoch: counts in the cells, shares of the true class as shade. Trained only.
``test_samples_grid.png``
    16 test images, evenly spaced in the test split, with true and predicted label. Trained only.
``wrong_samples_grid.png``
    The 16 test images that the network got wrong with the highest confidence. Trained only.
``augmented_samples_grid.png``
    The first 16 images of the training, each beside what epochs 1 to 4 make of it. Trained only.
``receptive_field.png``
    Theoretical and effective receptive field; over a test image where there are samples. The title says
    whether the weights are trained or initial. Where the network could be exported.
``architecture.svg``
    The graph that executes: layers, kernels, strides, dilations, channels, receptive field. Likewise.

Over all trained variants, in ``<results>/combined/``: ``plots/combined_acc.png``,
``plots/combined_loss.png`` and ``summary.csv`` (exp_name, params, best_test_acc, best_epoch,
final_test_acc, epochs, train_time_sec, augment, optimizer, lr; accuracies in percent).

They are drawn from, in the variant's folder:

``samples.npz``
    Written after training, see `harness.report.plots.image_file`; NumPy arrays, no pickle.
``effective_field.json``
    Measured by `harness.pipeline.receptive_field.with_effective_field`.
``architecture.json``
    The exported graph.

``harness augment`` writes ``<results>/augmentations/augmented_grid.png``.
"""
