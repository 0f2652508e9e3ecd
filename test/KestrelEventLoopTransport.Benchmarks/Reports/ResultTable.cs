using System.Text;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// Rows of text under a title, as they stand on the terminal and in the Markdown file.
internal sealed record ResultTable(
    string Title,
    IReadOnlyList<string> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows,
    IReadOnlyList<string> Failures)
{
    public string ToText()
    {
        var widths = Columns.Select((column, i) => Rows.Select(row => row[i].Length).Append(column.Length).Max())
            .ToArray();
        var text = new StringBuilder().AppendLine(Title);
        foreach (var row in Rows.Prepend(Columns))
        {
            var cells = row.Select((cell, i) => i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i]));
            text.Append("  ").AppendLine(string.Join("  ", cells).TrimEnd());
        }

        foreach (var failure in Failures)
        {
            text.Append("  FAILED ").AppendLine(failure);
        }

        return text.ToString();
    }

    public string ToMarkdown()
    {
        var text = new StringBuilder().Append("## ").AppendLine(Title).AppendLine();
        text.Append("| ").Append(string.Join(" | ", Columns)).AppendLine(" |");
        text.Append("|---|").Insert(text.Length, "--:|", Columns.Count - 1).AppendLine();
        foreach (var row in Rows)
        {
            text.Append("| ").Append(string.Join(" | ", row)).AppendLine(" |");
        }

        foreach (var failure in Failures)
        {
            text.AppendLine().Append("**FAILED** ").AppendLine(failure);
        }

        return text.ToString();
    }
}
