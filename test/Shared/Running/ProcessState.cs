using System.Globalization;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Descriptors and threads of this process. Process-wide: only for tests of <see cref="ProcessWide"/>.
/// </summary>
internal sealed record ProcessState(int Sockets, int Pollers, int Events, int Threads, int NamedThreads)
{
    public static ProcessState Capture()
    {
        int sockets = 0, pollers = 0, events = 0;
        foreach (var (_, target) in Descriptors())
        {
            sockets += target.StartsWith("socket:", StringComparison.Ordinal) ? 1 : 0;
            pollers += target.Contains("[eventpoll]", StringComparison.Ordinal) ? 1 : 0;
            events += target.Contains("[eventfd]", StringComparison.Ordinal)
                || target.Contains("[timerfd]", StringComparison.Ordinal) ? 1 : 0;
        }

        var names = ThreadNames();
        return new ProcessState(
            sockets,
            pollers,
            events,
            names.Count,
            names.Count(static name => !name.StartsWith(".NET", StringComparison.Ordinal)));
    }

    public static IEnumerable<(int Descriptor, string Target)> Descriptors()
    {
        foreach (var path in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            string? target;
            try
            {
                target = new FileInfo(path).LinkTarget;
            }
            catch (IOException)
            {
                continue;
            }

            if (target is not null)
            {
                yield return (int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture), target);
            }
        }
    }

    /// <summary>Flags of a descriptor as given to open(2), from /proc/self/fdinfo.</summary>
    public static int DescriptorFlags(int descriptor)
    {
        var line = File.ReadLines($"/proc/self/fdinfo/{descriptor}").First(
            static l => l.StartsWith("flags:", StringComparison.Ordinal));
        return Convert.ToInt32(line["flags:".Length..].Trim(), 8);
    }

    /// <summary>
    /// Whether what the transport could leave behind is no more than it was at <paramref name="start"/>.
    /// </summary>
    public bool IsBackTo(ProcessState start, int threadPoolGrowth)
        => HasNoMoreDescriptorsThan(start)
            && NamedThreads <= start.NamedThreads
            && Threads <= start.Threads + threadPoolGrowth;

    /// <summary>The same for descriptors alone: a server that runs may keep standby threads for its loops.</summary>
    public bool HasNoMoreDescriptorsThan(ProcessState start)
        => Sockets <= start.Sockets && Pollers <= start.Pollers && Events <= start.Events;

    /// <summary>The first 15 bytes of the name of every thread.</summary>
    public static List<string> ThreadNames() => [.. ReadThreads("comm").Select(static thread => thread.Name)];

    /// <summary>The same with a file about each thread, of /proc/self/task.</summary>
    public static IEnumerable<(string Name, string Text)> ReadThreads(string file)
    {
        foreach (var task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            (string, string) thread;
            try
            {
                thread = (File.ReadAllText(Path.Combine(task, "comm")).Trim(), File.ReadAllText(
                    Path.Combine(task, file)));
            }
            catch (IOException)
            {
                // The thread ended meanwhile.
                continue;
            }

            yield return thread;
        }
    }
}
