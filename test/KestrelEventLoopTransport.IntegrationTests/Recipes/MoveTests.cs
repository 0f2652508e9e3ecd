using System.Reflection;
using KestrelEventLoopTransport.IntegrationTests.Tools;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>
/// The README's tables for a user of something else: no option of stock is missing, and all names exist.
/// </summary>
public sealed class MoveTests
{
    private const string Sockets = "From `UseSockets`";

    [Theory]
    [InlineData(typeof(SocketTransportOptions))]
    [InlineData(typeof(SocketConnectionFactoryOptions))]
    public void Each_option_of_stock_has_a_row(Type options)
    {
        var names = TableOf(options.Name).SelectMany(static row => Readme.CodeIn(row[0])).ToHashSet();

        Assert.All(
            options.GetProperties(BindingFlags.Instance | BindingFlags.Public),
            property => Assert.Contains(property.Name, names));
        Assert.All(names, name => Assert.NotNull(options.GetProperty(name)));
    }

    [Fact]
    public void Each_way_to_listen_has_a_row()
    {
        var names = TableOf("other names").SelectMany(static row => Readme.CodeIn(row[0])).ToHashSet();
        var methods = typeof(KestrelServerOptions).GetMethods(BindingFlags.Instance | BindingFlags.Public)
            .Select(static method => method.Name)
            .Where(static name => name.StartsWith("Listen", StringComparison.Ordinal))
            .Distinct();

        Assert.All(methods, method => Assert.Contains(method, names));
    }

    [Theory]
    [InlineData(Sockets)]
    [InlineData("From gnet")]
    [InlineData("From netty")]
    public void Each_name_on_our_side_exists(string section)
    {
        var rows = Readme.Rows(section).ToList();

        Assert.All(rows, static row => Assert.Equal(2, row.Length));
        Assert.All(
            rows.SelectMany(static row => Readme.CodeIn(row[1])),
            static name => Assert.True(name == "bind" || PublicNames.Has(name), $"{name} is not public."));
    }

    [Theory]
    [InlineData("FrameCodec.Line", true)]
    [InlineData("FrameHandler.OnFrameAsync", true)]
    [InlineData("Tcp.KeepAlive.Time", true)]
    [InlineData("FrameCodec.OnFrameAsync", false)]
    [InlineData("FrameConnection.Dispatch", false)]
    [InlineData("Nothing", false)]
    public void A_name_is_public_or_not(string name, bool exists) => Assert.Equal(exists, PublicNames.Has(name));

    // The rows below the heading with this text.
    private static IEnumerable<string[]> TableOf(string heading)
    {
        var lines = Readme.Section(Sockets).ToList();
        var start = lines.FindIndex(line => line.StartsWith($"| `{heading}` |", StringComparison.Ordinal)
            || line.StartsWith($"| {heading} |", StringComparison.Ordinal));
        Assert.NotEqual(-1, start);
        return lines.Skip(start + 2)
            .TakeWhile(static line => line.StartsWith('|'))
            .Select(static line => line.Trim('|').Split('|'));
    }
}
