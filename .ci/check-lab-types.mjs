// Type-checks lab/ with its own, stricter flags (lab/tsconfig.json). What lab/ imports from the rest
// of the project is checked by the root's flags, so only findings in lab/ count here.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const lab = path.join(root, 'lab');
const host = {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
    throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
  },
};
const config = ts.getParsedCommandLineOfConfigFile(path.join(lab, 'tsconfig.json'), {}, host);
const program = ts.createProgram(config.fileNames, config.options);
const findings = program
  .getSourceFiles()
  .filter(({ fileName }) => path.resolve(fileName).startsWith(lab + path.sep))
  .flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);

const format = {
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => root,
  getNewLine: () => '\n',
};
if (findings.length > 0) {
  process.stdout.write(ts.formatDiagnostics(findings, format));
  process.exit(1);
}
