using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// The library of test/native/faultylibc.c, which the transport of this process calls in place of libc.
/// </summary>
internal static unsafe class FaultyLibc
{
    private const string FileName = "libfaultylibc.so";
    private const int JournalSize = 1 << 20;

    /// <summary>What it can inject, in the order of its enumeration.</summary>
    public static IReadOnlyList<string> Names { get; } = ReadNames();

    /// <summary>How many descriptors of the transport are open.</summary>
    public static int OpenDescriptors => ((delegate* unmanaged<int>)TestLibc.GetExport("faulty_open"))();

    /// <summary>Calls that no correct program makes: a second close, a call on a descriptor that is closed.</summary>
    public static string Violations
        => Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)TestLibc.GetExport("faulty_violations"))())!;

    [ModuleInitializer]
    internal static void Choose() => TestLibc.Use(FileName);

    /// <summary>Begins to fail. The books of the episode before are closed.</summary>
    public static void Start(int seed, FaultMix mix)
    {
        fixed (uint* rates = mix.PerMillion.ToArray())
        {
            ((delegate* unmanaged<ulong, uint*, void>)TestLibc.GetExport("faulty_start"))((ulong)seed, rates);
        }
    }

    /// <summary>Fails no more.</summary>
    public static void Stop() => ((delegate* unmanaged<void>)TestLibc.GetExport("faulty_stop"))();

    /// <summary>
    /// With <see langword="true"/>, no shutdown(2) of the transport returns until <see langword="false"/>, though it
    /// has done what it does: what happens meanwhile comes between it and the transport's next step. Returns how many
    /// have not returned.
    /// </summary>
    public static int HoldShutdowns(bool on)
        => ((delegate* unmanaged<int, int>)TestLibc.GetExport("faulty_hold_shutdowns"))(on ? 1 : 0);

    /// <summary>How often each fault was injected since <see cref="Start"/>.</summary>
    public static long[] Injected()
        => [.. Names.Select(static (_, fault) =>
            ((delegate* unmanaged<int, long>)TestLibc.GetExport("faulty_injected"))(fault))];

    /// <summary>Whether a fault has ended the connection that comes from this port.</summary>
    public static bool HasBroken(int port)
        => ((delegate* unmanaged<int, int>)TestLibc.GetExport("faulty_broken"))(port) != 0;

    /// <summary>Open descriptors, events held back, and the last faults.</summary>
    public static string Journal(int last)
    {
        var text = new byte[JournalSize];
        fixed (byte* start = text)
        {
            var journal = (delegate* unmanaged<byte*, nuint, int, nuint>)TestLibc.GetExport("faulty_journal");
            var length = journal(start, JournalSize, last);
            return Encoding.UTF8.GetString(text, 0, (int)length);
        }
    }

    private static string[] ReadNames()
    {
        var name = (delegate* unmanaged<int, nint>)TestLibc.GetExport("faulty_name");
        var names = new string[((delegate* unmanaged<int>)TestLibc.GetExport("faulty_count"))()];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = Marshal.PtrToStringUTF8(name(i))!;
        }

        return names;
    }
}
