using System.Globalization;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.Tests.Layers;

/// <summary>
/// <c>CONTRACT.md</c> and the tests name each other: every line lists the classes whose tests carry its number.
/// </summary>
/// <remarks>
/// The sources of all test projects are read, not this assembly only: the contract's tests lie in three of them.
/// </remarks>
public sealed partial class ContractMapTests
{
    private readonly Dictionary<string, SortedSet<string>> _document = ReadDocument();
    private readonly Dictionary<string, SortedSet<string>> _tests = ReadTests();
    private readonly HashSet<string> _classes = [.. TestFiles().Select(ClassOf)];

    [Fact]
    public void Every_number_and_word_that_a_test_carries_is_in_the_document()
        => Assert.Empty(_tests.Keys.Except(_document.Keys));

    [Fact]
    public void Every_line_of_the_contract_has_a_test()
        => Assert.Empty(Lines.Where(line => line.Value.Count == 0).Select(line => line.Key));

    [Fact]
    public void Every_class_that_the_document_names_exists()
        => Assert.Empty(Lines.SelectMany(line => line.Value).Except(_classes));

    [Fact]
    public void A_line_names_the_classes_whose_tests_carry_its_number()
    {
        foreach (var (number, named) in Lines)
        {
            Assert.Equal($"{number}: {Join(_tests.GetValueOrDefault(number, []))}", $"{number}: {Join(named)}");
        }
    }

    [Fact]
    public void The_lines_are_numbered_from_1_without_a_gap()
        => Assert.Equal(
            Enumerable.Range(1, Lines.Count()),
            Lines.Select(line => int.Parse(line.Key, CultureInfo.InvariantCulture)));

    private IEnumerable<KeyValuePair<string, SortedSet<string>>> Lines
        => _document.Where(entry => char.IsAsciiDigit(entry.Key[0]));

    private static string Join(IEnumerable<string> names) => string.Join(", ", names);

    /// <summary>The document's numbers, each with the classes that its line names, and its words, with none.</summary>
    private static Dictionary<string, SortedSet<string>> ReadDocument()
    {
        var document = new Dictionary<string, SortedSet<string>>();
        SortedSet<string> named = [];
        var isNaming = false;
        foreach (var line in File.ReadLines(Path.Combine(Repository.Transport, "CONTRACT.md")))
        {
            if (Entry().Match(line) is { Success: true } entry)
            {
                document.Add(entry.Groups[1].Value, named = []);
                isNaming = false;
            }

            isNaming = line.Length != 0 && (isNaming || line.Contains("- Tests:", StringComparison.Ordinal));
            if (isNaming)
            {
                named.UnionWith(Name().Matches(line).Select(name => name.Groups[1].Value));
            }
        }

        return document;
    }

    /// <summary>What the tests carry, each with the classes that carry it.</summary>
    private static Dictionary<string, SortedSet<string>> ReadTests()
    {
        var tests = new Dictionary<string, SortedSet<string>>();
        foreach (var file in TestFiles())
        {
            foreach (Match trait in Trait().Matches(File.ReadAllText(file)))
            {
                var value = trait.Groups[1].Value;
                tests.TryAdd(value, []);
                tests[value].Add(ClassOf(file));
            }
        }

        return tests;
    }

    private static IEnumerable<string> TestFiles()
        => Directory.EnumerateFiles(Repository.PathOf("test"), "*Tests*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(folder => folder is "bin" or "obj"));

    // A class lies in the file of its name; the parts of a partial one have a second name behind a dot.
    private static string ClassOf(string file) => Path.GetFileName(file).Split('.')[0];

    // A line of the contract, or of the table of words.
    [GeneratedRegex(@"^(?:\| `)?(\w+)(?:\. |` \|)")]
    private static partial Regex Entry();

    [GeneratedRegex(@"`(\w+)`")]
    private static partial Regex Name();

    [GeneratedRegex(@"\[Trait\(""Contract"", ""(\w+)""\)\]")]
    private static partial Regex Trait();
}
