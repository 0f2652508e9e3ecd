using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>What the README points at is there.</summary>
public sealed partial class ReadmeTests
{
    [Fact]
    public void Each_link_leads_to_a_file_or_a_heading()
    {
        var headings = Readme.Lines.Select(Readme.TitleOf).OfType<string>().Select(Anchor).ToHashSet();
        var targets = Readme.Lines
            .SelectMany(static line => Link().Matches(line))
            .Select(static match => match.Groups[1].Value)
            .Where(static target => !target.StartsWith("http", StringComparison.Ordinal))
            .ToList();

        Assert.NotEmpty(targets);
        Assert.All(targets, target => Assert.True(
            target[0] == '#' ? headings.Contains(target[1..]) : File.Exists(Repository.PathOf(target)),
            $"{target} is not there."));
    }

    [Fact]
    public void Each_script_and_sample_that_a_command_names_is_there()
    {
        var names = Readme.Lines
            .SelectMany(static line => Script().Matches(line))
            .Select(static match => match.Value)
            .ToHashSet();

        Assert.Superset(new HashSet<string> { "build/test.sh", "build/pack.sh", "samples/Plaintext" }, names);
        Assert.All(names, static name => Assert.True(Path.Exists(Repository.PathOf(name)), $"{name} is not there."));
    }

    [Fact]
    public void Each_switch_of_the_kernel_that_tuning_names_exists()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The switches are those of Linux.");
        var keys = Readme.Block("Tune", "conf").Split('\n')
            .Where(static line => line.Contains('=', StringComparison.Ordinal))
            .Select(static line => line.Split('=')[0].Trim())
            .ToList();

        Assert.NotEmpty(keys);
        Assert.All(keys, static key => Assert.True(
            File.Exists("/proc/sys/" + key.Replace('.', '/')), $"{key} does not exist."));
    }

    // As the usual hosts of repositories make it of a heading.
    private static string Anchor(string heading)
        => NotInAnchor().Replace(heading.ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\(([^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\b(build/[a-z-]+\.sh|samples/[A-Z][A-Za-z]+)\b")]
    private static partial Regex Script();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}
