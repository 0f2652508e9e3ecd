using System.IO.Pipelines;
using System.Reflection;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Framing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The names of the packages' public types and members, and of what they are used with.</summary>
internal static partial class PublicNames
{
    private static readonly Dictionary<string, Type> _ours =
        TypesOf(typeof(EventLoopTransportFactory).Assembly, typeof(FrameCodec).Assembly)
        .ToDictionary(static type => type.Name);

    private static readonly HashSet<string> _all =
        [.. TypesOf(
            typeof(EventLoopTransportFactory).Assembly,
            typeof(FrameCodec).Assembly,
            typeof(ConnectionContext).Assembly,
            typeof(KestrelServerOptions).Assembly,
            typeof(PipeReader).Assembly,
            typeof(IHostApplicationLifetime).Assembly,
            typeof(System.Buffers.ReadOnlySequence<byte>).Assembly,
            typeof(ILogger).Assembly)
        .SelectMany(static type => NamesOf(type).Append(type.Name.Split('`')[0]))];

    /// <summary>
    /// Whether a name such as <c>FrameCodec.Line</c> or <c>Tcp.NoDelay</c> exists. Behind a type of ours comes a member
    /// of it; each other part only has to exist somewhere.
    /// </summary>
    public static bool Has(string name)
    {
        var parts = Identifier().Matches(name).Select(static match => match.Value).ToList();
        return parts.Count > 0
            && parts.TrueForAll(_all.Contains)
            && parts.Zip(parts.Skip(1)).All(static pair
                => !_ours.TryGetValue(pair.First, out var type) || NamesOf(type).Contains(pair.Second));
    }

    private static IEnumerable<Type> TypesOf(params Assembly[] assemblies)
        => assemblies.SelectMany(static assembly => assembly.GetExportedTypes());

    // Callbacks of handlers are protected.
    private static IEnumerable<string> NamesOf(Type type)
        => type.GetMembers(
            BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(static member => member switch
            {
                MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
                FieldInfo field => field.IsPublic,
                _ => true,
            })
            .Select(static member => member.Name);

    [GeneratedRegex("[A-Za-z_][A-Za-z0-9_]*")]
    private static partial Regex Identifier();
}
