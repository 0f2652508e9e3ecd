using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>The README as its reader sees it: sections, fenced blocks, tables.</summary>
internal static partial class Readme
{
    private static readonly string[] _lines = File.ReadAllLines(Repository.PathOf("README.md"));

    public static IReadOnlyList<string> Lines => _lines;

    /// <summary>The lines from this heading to the next one of its level or above.</summary>
    public static IReadOnlyList<string> Section(string heading)
    {
        var start = Assert.Single(Enumerable.Range(0, _lines.Length), i => TitleOf(_lines[i]) == heading);
        var level = _lines[start].IndexOf(' ', StringComparison.Ordinal);
        var fenced = false;
        var end = start + 1;
        for (; end < _lines.Length; end++)
        {
            fenced ^= _lines[end].StartsWith("```", StringComparison.Ordinal);
            if (!fenced && Heading().Match(_lines[end]) is { Success: true } match && match.Groups[1].Length <= level)
            {
                break;
            }
        }

        return _lines[start..end];
    }

    /// <summary>The text of a fenced block of this language in the section; the first one if it has several.</summary>
    public static string Block(string heading, string language, int index = 0)
    {
        var blocks = Blocks(Section(heading), language).ToList();
        Assert.InRange(index, 0, blocks.Count - 1);
        return blocks[index];
    }

    /// <summary>The rows of the section's tables: their cells, without the headings.</summary>
    public static IEnumerable<string[]> Rows(string heading)
    {
        var lines = Section(heading);
        for (var i = 0; i < lines.Count; i++)
        {
            var isHeading = i + 1 < lines.Count && lines[i + 1].StartsWith("|--", StringComparison.Ordinal);
            if (lines[i].StartsWith("| ", StringComparison.Ordinal) && !isHeading)
            {
                yield return [.. lines[i].Trim('|').Split('|').Select(static cell => cell.Trim())];
            }
        }
    }

    /// <summary>What stands in backticks.</summary>
    public static IEnumerable<string> CodeIn(string text)
        => Code().Matches(text).Select(static match => match.Groups[1].Value);

    /// <summary>The title of a heading; null if the line is none.</summary>
    public static string? TitleOf(string line)
        => Heading().Match(line) is { Success: true } match ? match.Groups[2].Value : null;

    private static IEnumerable<string> Blocks(IReadOnlyList<string> lines, string language)
    {
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i] == "```" + language)
            {
                var block = lines.Skip(i + 1).TakeWhile(static line => line != "```").ToList();
                i += block.Count;
                yield return string.Join('\n', block) + "\n";
            }
        }
    }

    [GeneratedRegex("^(#{2,}) (.+)$")]
    private static partial Regex Heading();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
