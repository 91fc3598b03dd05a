// An extension of JupyterLab, in the form that its own bundler gives one (module federation), small enough to be
// written by hand: on a screen too narrow for three columns the lists at the sides are folded, so that the lesson is
// seen. Who opens one again keeps it.
(() => {
  const NARROW = "(max-width: 760px)"; // below this JupyterLab itself speaks of a mobile

  const plugin = {
    id: "workbench-window:plugin",
    autoStart: true,
    // nothing is given back: the window is restored only when every extension has begun
    activate: (app) => {
      app.restored.then(() => {
        if (!window.matchMedia(NARROW).matches) return;
        app.shell.collapseLeft();
        app.shell.collapseRight();
      });
    },
  };

  const rooms = (window._JUPYTERLAB = window._JUPYTERLAB || {});
  rooms["workbench-window"] = {
    init: () => {},
    get: () => Promise.resolve(() => ({ __esModule: true, default: plugin })),
  };
})();
