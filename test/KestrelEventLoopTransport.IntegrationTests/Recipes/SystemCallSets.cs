using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The sets of system calls that systemd knows by name (<c>SystemCallFilter=</c>, systemd.exec(5)).</summary>
internal sealed class SystemCallSets
{
    private readonly Dictionary<string, List<string>> _sets = [];

    private SystemCallSets()
    {
    }

    public static async Task<SystemCallSets> ReadAsync()
    {
        var text = (await ToolProcess.RunAsync("systemd-analyze", "syscall-filter")).AssertSuccess().Output;
        var sets = new SystemCallSets();
        List<string> current = [];
        foreach (var line in text.Split('\n').Where(static line => line.Length > 0))
        {
            if (line[0] == '@')
            {
                current = sets._sets[line.Trim()] = [];
            }
            else if (!line.TrimStart().StartsWith('#'))
            {
                current.Add(line.Trim());
            }
        }

        return sets;
    }

    /// <summary>The calls of a set, and of the sets in it.</summary>
    public IEnumerable<string> CallsOf(string set)
        => _sets[set].SelectMany(name => name[0] == '@' ? CallsOf(name) : [name]);
}
