const SEMVER = /^v?(?<major>0|[1-9]\d*)\.(?<minor>0|[1-9]\d*)(?:\.(?<patch>0|[1-9]\d*))?(?:-(?<pre>[0-9A-Za-z.-]+))?(?:\+(?<build>[\w.-]+))?$/
exports.default = (text) => {
  const found = SEMVER.exec(text ?? '')
  if (!found) return null
  const { major, minor, patch, pre, build } = found.groups
  return { major: +major, minor: +minor, ...(patch && { patch: +patch }), ...(pre && { pre }), ...(build && { build }) }
}
Object.defineProperty(exports, '__esModule', { value: true })
