/** `lab list [TOPIC]`: what there is to choose from, as tables. */
import { Argument, Command } from 'commander';
import { colour, formatTable, printJson, printLine, type TableColumn } from './output.ts';
import { TOPICS, type Topic } from './list-topics.ts';

export function listCommand(): Command {
  const topics = TOPICS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n');
  return new Command('list')
    .description('Shows what there is to choose from.')
    .addArgument(
      new Argument('[topic]', 'one of the topics below; all of them in short when absent').choices(
        TOPICS.map(({ name }) => name),
      ),
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', `\nTopics:\n${topics}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const chosen = TOPICS.filter((topic) => name === undefined || topic.name === name);
      if (json) printJson(await asJson(chosen));
      else if (name === undefined) await printOverview(chosen);
      else for (const topic of chosen) await printTopic(topic);
    });
}

async function asJson(topics: readonly Topic[]): Promise<Record<string, unknown>> {
  const lists: Record<string, unknown> = {};
  for (const { name, columns, load } of topics) {
    const rows = await load();
    lists[name] = rows.map((row) =>
      Object.fromEntries(columns.map(({ title }, index) => [title, row[index] ?? ''])),
    );
  }
  return lists;
}

/** One line per topic: how many there are, and how to see them. */
async function printOverview(topics: readonly Topic[]): Promise<void> {
  const columns: readonly TableColumn[] = [
    { title: 'topic' },
    { title: 'entries', align: 'right' },
    { title: 'what' },
  ];
  const rows: string[][] = [];
  for (const { name, summary, load } of topics) {
    rows.push([name, String((await load()).length), summary]);
  }
  printLine(formatTable(columns, rows));
  printLine(`\n${colour.dim("'lab list TOPIC' shows one of them")}`);
}

async function printTopic({ columns, load }: Topic): Promise<void> {
  const rows = (await load()).map((row) => row.map(String));
  printLine(formatTable(columns, rows));
}
